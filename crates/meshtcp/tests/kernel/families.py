from stage import *

Backend("four", "10.9.0.1", 16379)
Backend("six", "fd09::1", 16380)
outbounds = [("127.0.0.1", 14001, "four"), ("::1", 14002, "four"), ("::1", 14003, "six"), ("127.0.0.1", 14004, "six")]
text = client(outbounds) + dataplane("four-1", "10.9.0.1", 16379, "four")
text += dataplane("six-1", "fd09::1", 16380, "six")
save("mesh.yaml", text)
up = Up()
CGROUP.enter()

count = 0


def path(to, family, wanted, v6only=None):
    global count
    connection = socket.socket(family)
    if v6only is not None:
        connection.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    connection.settimeout(PATIENCE)
    connection.connect(to)
    assert name_of(connection) == wanted
    peer = connection.getpeername()
    assert peer[:2] == to[:2], (peer, to)
    connection.close()
    count += 1
    lines = [line for line in up.lines(count) if line["listener"].startswith("outbound:")]
    return lines[-1].get("path")


assert path(("127.0.0.1", 14001), socket.AF_INET, "four") == "kernel"
assert path(("::ffff:127.0.0.1", 14001), socket.AF_INET6, "four") == "kernel"
assert path(("::1", 14003), socket.AF_INET6, "six") == "kernel"
assert path(("::1", 14002), socket.AF_INET6, "four", 0) == "kernel"
assert path(("::1", 14002), socket.AF_INET6, "four", 1) is None, "a socket for IPv6 alone"
assert path(("127.0.0.1", 14004), socket.AF_INET, "six") is None, "a socket of IPv4"
assert up.metric('meshtcp_kernel_connections_left_total{reason="other-family"}') == 2
assert up.ends() == 0
