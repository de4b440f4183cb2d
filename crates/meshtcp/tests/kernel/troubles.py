from stage import *

Backend("v1", "10.9.0.1", 16379)
save("mesh.yaml", client([(*OUTBOUND, "redis")]) + dataplane("redis-1", "10.9.0.1", 16379))
CGROUP.enter()
number = 0


def relays(cause, *more, **how):
    """The relay carries, one warning says why, and the process ends well."""
    global number
    number += 1
    up = Up(*more, log=f"{number}.log", **how)
    assert reach() == "v1"
    assert up.lines(1)[0].get("path") is None
    warnings = [line for line in up.printed if "warning: " in line]
    assert len(warnings) == 1 and "the relay carries all connections, not the kernel: " in warnings[0], up.printed
    assert cause in warnings[0], warnings
    path, why = up.paths()["outbound:127.0.0.1:13306"]
    assert path == "relay" and cause in why, (path, why)
    assert up.json("/status")["dataPath"]["kernel"]["attached"] is False
    assert up.ends() == 0
    print(warnings[0])


drop = lambda capabilities: ("setpriv", f"--bounding-set={capabilities}", f"--inh-caps={capabilities}")
relays("Operation not permitted", wrap=drop("-bpf,-sys_admin"))
# an older helper is lent to those who may look into the kernel
relays("the kernel refused the program", wrap=drop("-perfmon,-sys_admin"))
relays("/proc cannot be opened: it is no folder of a cgroup", "--kernel-cgroup", "/proc")
sh("mount -t tmpfs none /sys/kernel/btf")
relays("the kernel does not describe its types")
sh("umount /sys/kernel/btf")
root = cgroups()
unmounted = ("unshare", "--mount", "sh", "-c", f'umount -l {root} && exec "$@"', "sh")
relays("no hierarchy of cgroups of version 2 is mounted", wrap=unmounted, cgroup=False)
