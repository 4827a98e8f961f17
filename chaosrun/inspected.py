"""What a Docker engine says of a container, as types: the parts of `GET /containers/ID/json` that are used."""

from __future__ import annotations

import msgspec


class Health(msgspec.Struct, frozen=True, rename="pascal"):
    status: str = "none"
    """none, starting, healthy, unhealthy."""


class State(msgspec.Struct, frozen=True, rename="pascal"):
    status: str
    """created, running, paused, restarting, removing, exited, dead."""
    pid: int = 0
    """Of its first process, on the engine's machine; 0: it does not run."""
    started_at: str = ""
    exit_code: int = 0
    health: Health | None = None


class HealthCheck(msgspec.Struct, frozen=True, rename="pascal"):
    """Times in ns; 0: the engine's default."""

    test: tuple[str, ...] | None = None
    interval: int = 0
    start_period: int = 0


class Config(msgspec.Struct, frozen=True, rename="pascal"):
    stop_timeout: int | None = None
    """Seconds; None: the engine's default of 10."""
    healthcheck: HealthCheck | None = None


class RestartPolicy(msgspec.Struct, frozen=True, rename="pascal"):
    name: str = ""
    """no, always, unless-stopped, on-failure."""


class HostConfig(msgspec.Struct, frozen=True, rename="pascal"):
    network_mode: str = ""
    restart_policy: RestartPolicy = RestartPolicy()


class Fixed(msgspec.Struct, frozen=True):
    """Addresses that were asked for, and are not the network's to choose."""

    ipv4: str = msgspec.field(default="", name="IPv4Address")
    ipv6: str = msgspec.field(default="", name="IPv6Address")
    link_local: tuple[str, ...] | None = msgspec.field(default=None, name="LinkLocalIPs")


class Endpoint(msgspec.Struct, frozen=True):
    """How a container is in a network."""

    network_id: str = msgspec.field(name="NetworkID")
    aliases: tuple[str, ...] | None = msgspec.field(default=None, name="Aliases")
    links: tuple[str, ...] | None = msgspec.field(default=None, name="Links")
    """`CONTAINER:ALIAS`."""
    driver_options: dict[str, str] | None = msgspec.field(default=None, name="DriverOpts")
    ipam: Fixed | None = msgspec.field(default=None, name="IPAMConfig")
    address: str = msgspec.field(default="", name="IPAddress")

    @property
    def fixed(self) -> Fixed:
        return self.ipam or Fixed()


class NetworkSettings(msgspec.Struct, frozen=True, rename="pascal"):
    networks: dict[str, Endpoint] | None = None


_DEFAULT_INTERVAL_NS = 30_000_000_000
_DEFAULT_GRACE_S = 10


class Inspected(msgspec.Struct, frozen=True, rename="pascal"):
    """One container at one moment."""

    id: str
    name: str
    state: State
    config: Config = Config()
    host_config: HostConfig = HostConfig()
    network_settings: NetworkSettings = NetworkSettings()

    @property
    def plain_name(self) -> str:
        return self.name.removeprefix("/")

    @property
    def networks(self) -> dict[str, Endpoint]:
        return self.network_settings.networks or {}

    @property
    def is_paused(self) -> bool:
        return self.state.status == "paused"

    @property
    def is_up(self) -> bool:
        """It runs, frozen or not, or the engine's own policy is about to start it again."""
        return self.state.status in ("running", "paused", "restarting")

    @property
    def runs(self) -> bool:
        return self.state.status in ("running", "paused")

    @property
    def is_well(self) -> bool:
        """It runs, and its health check, if it has one, says so."""
        return self.state.status == "running" and self.health in ("none", "healthy")

    @property
    def health(self) -> str:
        return self.state.health.status if self.state.health is not None else "none"

    @property
    def health_takes_s(self) -> float:
        """How long it may take until a health check that began now says that all is well."""
        check = self.config.healthcheck
        if check is None or not check.test or check.test[0] == "NONE":
            return 0.0
        return (check.start_period + 2 * (check.interval or _DEFAULT_INTERVAL_NS)) / 1e9

    @property
    def grace_s(self) -> int:
        """How long the engine waits for an orderly end."""
        return _DEFAULT_GRACE_S if self.config.stop_timeout is None else self.config.stop_timeout

    @property
    def comes_back_by_itself(self) -> bool:
        """The engine starts it again when its process fails."""
        return self.host_config.restart_policy.name in ("always", "unless-stopped", "on-failure")
