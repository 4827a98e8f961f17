"""Game days: experiments that run one after another within a window of time, with notices of what came of it."""
