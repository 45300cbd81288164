"""What operators do with the versions of an ability that are served beside each other."""

from athena.errors import NotFoundError
from athena.fleet.registry import readable
from athena.fleet.traffic_split import TrafficSplit, decode_split, side_versions
from athena.operations.steps import Steps
from athena.protocol.interface import Interface
from athena.protocol.paths import DEFAULT_VERSION, is_side, main_of, side_id
from athena.store.keys import ABILITIES, SHARES
from athena.store.scripts import pairs


def list_splits() -> Steps[dict[str, TrafficSplit]]:
    """Lists how requests are divided, by ability; one that cannot be read is left out."""
    return dict(readable(pairs((yield ("HGETALL", SHARES))), decode_split))


def share_traffic(service_id: str, split: TrafficSplit) -> Steps[None]:
    """Divides an ability's requests, in place of how they are divided now.

    Raises:
        NotFoundError: there is no such ability, or no such version of it beside the main one.
    """
    known = yield from _known_versions(service_id)
    for version in split.versions:
        if side_id(service_id, version) not in known:
            yield from _check_beside(service_id, version)
            raise NotFoundError(
                f"no worker has told of {side_id(service_id, version)}; beside {service_id} there are: "
                f"{', '.join(known) or 'none'}. Serve it with "
                f'version = "{version}" and beside = true in its ability.toml'
            )
    yield ("HSET", SHARES, service_id, split.encode())


def _check_beside(service_id: str, version: str) -> Steps[None]:
    """Refuses the main version.

    Raises:
        NotFoundError: it is that.
    """
    registered = readable(pairs((yield ("HGETALL", ABILITIES))), Interface.decode)
    mains = [interface.version for name, interface in registered if name == service_id]
    if version in (DEFAULT_VERSION, *mains):
        raise NotFoundError(
            f"{version} is the main version of {service_id}, which gets what others leave; name the "
            f"share of one beside it, or give it all: athena abilities rollback {service_id}"
        )


def roll_back(service_id: str) -> Steps[None]:
    """Gives all requests to the main version; jobs that were accepted stay where they are.

    Raises:
        NotFoundError: there is no such ability.
    """
    yield from _known_versions(service_id)
    yield ("HDEL", SHARES, service_id)


def forget_share(service_id: str) -> Steps[None]:
    """Takes the share of a forgotten version back, or all shares of a main one: served anew it has none."""
    main_id = main_of(service_id)
    split = (yield from list_splits()).get(main_id)
    if split is None:
        return
    kept = split.without(service_id) if is_side(service_id) else TrafficSplit()
    yield ("HSET", SHARES, main_id, kept.encode()) if kept.versions else ("HDEL", SHARES, main_id)


def _known_versions(service_id: str) -> Steps[list[str]]:
    """Returns the service_ids of an ability's side versions."""
    known = sorted(key.decode(errors="replace") for key in (yield ("HKEYS", ABILITIES)))
    mains = [name for name in known if not is_side(name)]
    if is_side(service_id):
        raise NotFoundError(f"{service_id} is one version; name the ability, {main_of(service_id)}")
    if service_id not in mains:
        raise NotFoundError(f"there is no ability {service_id!r}; there are: {', '.join(mains) or 'none'}")
    return side_versions(service_id, known)
