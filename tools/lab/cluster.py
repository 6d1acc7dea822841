"""A lab whose nodes are provisioned and share an ASR: where most integration tests begin."""
from tools.lab.lab import wait_until


def views(lab, names, asr):
    return [lab.nodes[name].asr(asr) for name in names]


def agreed(lab, names, asr, generation=None, epoch=None):
    """(generation, epoch, key check) that all these nodes hold, or None. `epoch` is a minimum."""
    found = views(lab, names, asr)
    if any(v is None or not v["key_check"] for v in found):
        return None
    keys = {(v["generation"], v["epoch"], v["key_check"]) for v in found}
    if len(keys) != 1:
        return None
    key = keys.pop()
    return key if generation in (None, key[0]) and (epoch is None or key[1] >= epoch) else None


def wait_agreed(lab, names, asr, seconds=60, **wanted):
    return wait_until(lambda: agreed(lab, names, asr, **wanted),
                      f"one key of {asr} on {', '.join(names)} {wanted or ''}", seconds, step=0.1)


def activate_all(lab, without=()):
    """Starts everything, provisions every node over D-Bus and waits until all are active. `without`: nodes that stay
    machines without a daemon."""
    nodes = {name: node for name, node in lab.nodes.items() if name not in without}
    for host in lab.hosts:
        if host.name not in without:
            host.start()
    lab.nmm.akmctl("nmm", "init")
    for name, node in nodes.items():
        lab.nmm.akmctl("nmm", "provision", name, "--bus-address", node.bus_address, "--endpoint", node.endpoint)
        node.akmctl("node", "activate", check=False)  # it may have done so by itself
    wait_until(lambda: all(node.status()["state"] == "active" for node in nodes.values()), "all nodes active", 60)


def create(lab, asr="asr-1", names=None, **policy):
    """Makes an ASR of the named nodes (all when None) and waits until they hold one key."""
    names = names or list(lab.nodes)
    settings = [word for key, value in policy.items() for word in ("--policy", f"{key}={value}")]
    lab.nmm.akmctl("asr", "create", asr, *names, *settings)
    return wait_agreed(lab, names, asr)


def provisioning_id(node):
    """The asr_id that a node shares with its NMM."""
    return next(asr["id"] for asr in node.json("asr", "list") if asr["kind"] == "provisioning")
