"""Projects with tests or experiments of their own: the tests here run them as their teams would."""

collect_ignore = ["pytest_project", "chaostoolkit_project"]
