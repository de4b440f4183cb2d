// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The decision about a connection, taken where an application connects.
//
// Unlike the rest of the tree this file is offered under the MIT licence or version 2 of the GPL, at your choice: the kernel
// lends some of the helpers that are called here only to programs that declare a licence compatible with its own.
//
// A program of this file may always do nothing: the address stays what the application dialled, and the relay that listens
// there carries the connection. So every doubt is answered by leaving. What is said here in numbers is the arithmetic of
// `l4::balance`; user space publishes the tables, and is the only one that changes them.

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "mesh.h"

char _license[] SEC("license") = "Dual MIT/GPL";

#define SOCK_STREAM 1
#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define SOL_SOCKET 1
#define SO_KEEPALIVE 9
#define TCP_KEEPIDLE 4
#define TCP_KEEPINTVL 5
#define TCP_KEEPCNT 6
#define TCP_USER_TIMEOUT 18
#define ECONNREFUSED 111
#define SOCK_DONE 1 /* the bit of skc_flags that says that the other end has finished */

#define LEAVE 1  /* the connect goes on as it is */
#define REFUSE 0 /* the connect fails */

/* Of the kernel's types what is read here; where it is in the running kernel, the loader finds out. */

struct ns_common {
	unsigned int inum;
} __attribute__((preserve_access_index));

struct net {
	struct ns_common ns;
} __attribute__((preserve_access_index));

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	possible_net_t skc_net;
	unsigned char skc_ipv6only : 1;
	unsigned long skc_flags;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
	int sk_err;
} __attribute__((preserve_access_index));

struct inet_sock {
	struct sock sk;
} __attribute__((preserve_access_index));

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	__u32 icsk_user_timeout;
} __attribute__((preserve_access_index));

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u64 bytes_sent;
	__u64 bytes_retrans;
	__u64 bytes_received;
	__u32 srtt_us;
	__u32 total_retrans;
} __attribute__((preserve_access_index));

/* The tables. */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LISTENERS);
	__type(key, struct destination);
	__type(value, struct listener);
} listeners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROUTES);
	__type(key, __u32);
	__type(value, struct route);
} routes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CLUSTERS);
	__type(key, __u32);
	__type(value, struct cluster);
} clusters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENDPOINTS);
	__type(key, __u32);
	__type(value, struct endpoint);
} endpoints SEC(".maps");

/* Until when an endpoint is passed over, in nanoseconds of the monotonic clock. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENDPOINTS);
	__type(key, __u32);
	__type(value, __u64);
} holds SEC(".maps");

/* The draw that a listener's next connection gets. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LISTENERS);
	__type(key, __u32);
	__type(value, __u64);
} draws SEC(".maps");

/* How many connections each cluster got so far. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CLUSTERS);
	__type(key, __u32);
	__type(value, __u64);
} turns SEC(".maps");

/* How many connections of a route's slot live, or are being established. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROUTES);
	__type(key, __u32);
	__type(value, __u64);
} live SEC(".maps");

/* The connections of listeners, and behind them those of clusters; and how many of each the relay has, which user space tells. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LISTENERS + CLUSTERS);
	__type(key, __u32);
	__type(value, struct gauge);
} gauges SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LISTENERS + CLUSTERS);
	__type(key, __u32);
	__type(value, struct gauge);
} relayed SEC(".maps");

/* The connections of endpoints that are chosen by how busy they are. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENDPOINTS);
	__type(key, __u32);
	__type(value, __u64);
} loads SEC(".maps");

/* How often connections were left to the relay, by reason, and records were lost. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OUTCOMES);
	__type(key, __u32);
	__type(value, __u64);
} outcomes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

/* What a connection was born with; it goes with its socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct birth);
} births SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING);
} events SEC(".maps");

static __always_inline void count(__u32 outcome)
{
	__u64 *counted = bpf_map_lookup_elem(&outcomes, &outcome);

	if (counted)
		__sync_fetch_and_add(counted, 1);
}

/* Waking whoever reads costs more than everything else here: it looks by itself, unless the ring is filling up. */
static __always_inline __u64 wake(void)
{
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > RING / 2 ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void take_address(__u8 to[16], const __u32 from[4])
{
	__builtin_memcpy(to, from, 16);
}

static __always_inline int is_four(const __u32 ip[4])
{
	return ip[0] == 0 && ip[1] == 0 && ip[2] == bpf_htonl(0xffff);
}

static __always_inline int is_loopback(const __u32 ip[4])
{
	if (is_four(ip))
		return (ip[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return ip[0] == 0 && ip[1] == 0 && ip[2] == 0 && ip[3] == bpf_htonl(1);
}

/* The address that clients on loopback have who did not choose another. */
static __always_inline int is_own_loopback(const __u32 ip[4])
{
	if (is_four(ip))
		return ip[3] == bpf_htonl(0x7f000001);
	return is_loopback(ip);
}

static __always_inline int is_unspecified(const __u32 ip[4])
{
	return ip[0] == 0 && ip[1] == 0 && (ip[2] == 0 || is_four(ip)) && ip[3] == 0;
}

/* Scatters a number over all 64 bits: `l4::balance::hash::mix`. */
static __always_inline __u64 mix(__u64 number)
{
	number += 0x9e3779b97f4a7c15ULL;
	number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9ULL;
	number = (number ^ (number >> 27)) * 0x94d049bb133111ebULL;
	return number ^ (number >> 31);
}

/* Several numbers out of one: `l4::balance::hash::mix_both`. */
static __always_inline __u64 mix_both(__u64 one, __u64 other)
{
	return mix(mix(one) ^ other);
}

/* The first interval whose end is not before the draw. */
static __always_inline __u32 interval_of(const struct route *route, __u64 draw)
{
	__u32 low = 0, high = route->length;

	for (int step = 0; step < 7; step++) {
		if (low < high) {
			__u32 middle = (low + high) / 2;

			if (route->intervals[middle & (INTERVALS - 1)].end < draw)
				low = middle + 1;
			else
				high = middle;
		}
	}
	return low;
}

/* Whose turn it is. */
static __always_inline __u32 place_of(const struct cluster *cluster, __u64 turn)
{
	__u64 position;
	__u32 low = 0, high = cluster->length;

	if (cluster->kind == BY_CHANCE)
		position = mix(turn);
	else
		position = cluster->total ? (turn % cluster->total) * cluster->stride % cluster->total : 0;
	for (int step = 0; step < 9; step++) {
		if (low < high) {
			__u32 middle = (low + high) / 2;

			if (cluster->places[middle & (PLACES - 1)].end < position)
				low = middle + 1;
			else
				high = middle;
		}
	}
	return low;
}

/* The least busy of a few places: `l4::balance::least`. Not static, so that the verifier looks at it once, and apart. */
__noinline __u32 least_busy(__u32 slot, __u64 turn)
{
	const struct cluster *cluster = bpf_map_lookup_elem(&clusters, &slot);
	__u64 best_cost = 0, best_weight = 0;
	__u32 best = 0, of, choices, first, all;

	if (!cluster || !cluster->length)
		return 0;
	of = cluster->length;
	choices = cluster->choices;
	all = choices >= of;
	first = (all ? turn : mix_both(turn, 0)) % of;
	if (all)
		choices = of;
	for (__u32 number = 0; number < STEPS; number++) {
		const struct place *place;
		__u64 cost = 1, weight;
		__u64 *busy;
		__u32 at = first, whose;

		if (number >= choices)
			break;
		if (all)
			at = (first + number) % of;
		else if (number)
			at = (first + (__u32)(mix_both(turn, number) % (of - 1)) + 1) % of;
		place = &cluster->places[at & (PLACES - 1)];
		whose = cluster->addresses[place->at & (ADDRESSES - 1)];
		busy = bpf_map_lookup_elem(&loads, &whose);
		if (busy)
			cost += *busy;
		weight = place->end;
		if (!number || cost * best_weight < best_cost * weight) {
			best = at;
			best_cost = cost;
			best_weight = weight;
		}
	}
	return best;
}

/* An endpoint of a cluster that is not held; -1: none within a few steps. */
static __always_inline long walk(const struct cluster *cluster, __u32 slot, __u64 turn, __u64 now, struct birth *birth)
{
	__u32 at = cluster->kind == BY_LOAD ? least_busy(slot, turn) : place_of(cluster, turn);

	for (int step = 0; step < STEPS; step++) {
		const struct place *place;
		__u32 number;
		__u64 *until;

		if (step >= cluster->length)
			return -1;
		if (at >= cluster->length)
			at = 0;
		place = &cluster->places[at & (PLACES - 1)];
		at++;
		if (place->of == 0)
			continue;
		number = cluster->addresses[(place->at + turn % place->of) & (ADDRESSES - 1)];
		until = bpf_map_lookup_elem(&holds, &number);
		if (!until || *until > now)
			continue;
		birth->endpoint = place->endpoint;
		birth->load = cluster->addresses[place->at & (ADDRESSES - 1)];
		return number;
	}
	return -1;
}

static __always_inline void set_number(struct bpf_sock_addr *ctx, int level, int option, int value)
{
	bpf_setsockopt(ctx, level, option, &value, sizeof(value));
}

static __always_inline void set_options(struct bpf_sock_addr *ctx, const struct cluster *cluster, __u32 user_timeout,
					struct birth *birth)
{
	if (cluster->keepalive)
		set_number(ctx, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (cluster->keepalive_idle)
		set_number(ctx, IPPROTO_TCP, TCP_KEEPIDLE, cluster->keepalive_idle);
	if (cluster->keepalive_interval)
		set_number(ctx, IPPROTO_TCP, TCP_KEEPINTVL, cluster->keepalive_interval);
	if (cluster->keepalive_probes)
		set_number(ctx, IPPROTO_TCP, TCP_KEEPCNT, cluster->keepalive_probes);
	/* while it is dialled it bounds how long the endpoint may take; afterwards it is what it was */
	birth->user_timeout = cluster->user_timeout ? cluster->user_timeout : user_timeout;
	birth->connect_timeout = cluster->connect_timeout;
	set_number(ctx, IPPROTO_TCP, TCP_USER_TIMEOUT, cluster->connect_timeout);
}

/* Whether a limit is reached: connections of this path, and of the relay. */
static __always_inline int is_full(__u32 number, __u32 limit, int pending)
{
	struct gauge *own, *others;
	__u64 count = 0;

	if (!limit)
		return 0;
	own = bpf_map_lookup_elem(&gauges, &number);
	others = bpf_map_lookup_elem(&relayed, &number);
	if (own)
		count += pending ? own->pending : own->active;
	if (others)
		count += pending ? others->pending : others->active;
	return count >= limit;
}

static __always_inline void tell_refused(const struct birth *birth, __u8 full)
{
	struct record *record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);

	if (!record) {
		count(OUTCOME_LOST);
		return;
	}
	__builtin_memset(record, 0, __builtin_offsetof(struct record, birth));
	record->kind = RECORD_REFUSED;
	record->full = full;
	record->now = birth->started;
	record->birth = *birth;
	bpf_ringbuf_submit(record, wake());
}

/* Decides about a connect to `to`, as IPv6 or mapped into it. Whether it goes to another address, which then is in `to`. */
static __always_inline int decide(struct bpf_sock_addr *ctx, __u32 to[4], const __u32 from[4], int six, int *answer)
{
	struct destination destination = {};
	struct birth birth = {};
	struct bpf_sock *sk = ctx->sk;
	struct tcp_sock *tcp;
	struct listener *listener;
	struct settings *own;
	struct route *route;
	struct interval *interval;
	struct cluster *cluster;
	struct endpoint *endpoint;
	struct birth *kept;
	__u64 *draw, *turn;
	__u32 zero = 0, number;
	__u32 there[4];
	__u8 full = FULL_NOT;
	long found;

	*answer = LEAVE;
	if (ctx->protocol != IPPROTO_TCP || ctx->type != SOCK_STREAM || !sk)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return 0;
	take_address(destination.ip, to);
	destination.port = ctx->user_port;
	destination.netns = tcp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net->ns.inum;
	listener = bpf_map_lookup_elem(&listeners, &destination);
	if (!listener)
		return 0;
	own = bpf_map_lookup_elem(&settings, &zero);
	if (!own)
		return 0;
	birth.process = bpf_get_current_pid_tgid() >> 32;
	if (birth.process == own->process)
		return 0;

	birth.slot = listener->slot;
	route = bpf_map_lookup_elem(&routes, &birth.slot);
	draw = bpf_map_lookup_elem(&draws, &listener->number);
	if (!route || !draw)
		return 0;
	if (route->by_client && !is_unspecified(from) && !is_own_loopback(from)) {
		count(OUTCOME_CLIENT);
		return 0;
	}
	birth.draw = __sync_fetch_and_add(draw, STEP);
	number = interval_of(route, birth.draw);
	if (number >= INTERVALS || number >= route->length)
		return 0;
	interval = &route->intervals[number];
	birth.interval = number;
	birth.started = bpf_ktime_get_ns();
	birth.cookie = bpf_get_socket_cookie(ctx);
	birth.user = bpf_get_current_uid_gid();
	bpf_get_current_comm(birth.command, sizeof(birth.command));
	take_address(birth.dialled, to);
	birth.dialled_port = ctx->user_port;
	birth.listener = listener->number;
	if (route->limit)
		birth.counts = COUNTS_LISTENER;
	if (is_full(birth.listener, route->limit, 0)) {
		full = FULL_LISTENER;
		goto refuse;
	}
	if (interval->verdict == VERDICT_REFUSE)
		goto refuse;
	if (interval->verdict != VERDICT_GO) {
		count(OUTCOME_TABLE);
		return 0;
	}
	cluster = bpf_map_lookup_elem(&clusters, &interval->cluster);
	if (!cluster)
		return 0;
	number = cluster->number;
	birth.cluster = LISTENERS + number;
	if (cluster->limit || cluster->pending_limit)
		birth.counts |= COUNTS_CLUSTER;
	if (cluster->kind == BY_LOAD)
		birth.counts |= COUNTS_LOAD;
	if (is_full(birth.cluster, cluster->limit, 0)) {
		full = FULL_CONNECTIONS;
		goto refuse;
	}
	if (is_full(birth.cluster, cluster->pending_limit, 1)) {
		full = FULL_PENDING;
		goto refuse;
	}
	turn = bpf_map_lookup_elem(&turns, &number);
	if (!turn)
		return 0;
	birth.turn = __sync_fetch_and_add(turn, 1);
	found = walk(cluster, interval->cluster, birth.turn, birth.started, &birth);
	if (found < 0) {
		count(OUTCOME_HELD);
		return 0;
	}
	birth.number = found;
	endpoint = bpf_map_lookup_elem(&endpoints, &birth.number);
	if (!endpoint)
		return 0;
	__builtin_memcpy(there, endpoint->ip, 16);
	/* what is bound to loopback cannot leave the host */
	if (is_loopback(from) && !is_loopback(there)) {
		count(OUTCOME_SOURCE);
		return 0;
	}
	if (is_four(there)) {
		if (six && !is_four(to)) {
			/* a source of the other family, or a socket that does not speak the other family */
			if (!is_unspecified(from) || BPF_CORE_READ_BITFIELD(&tcp->inet_conn.icsk_inet.sk.__sk_common, skc_ipv6only)) {
				count(OUTCOME_FAMILY);
				return 0;
			}
		}
	} else if (!six || (!is_unspecified(from) && is_four(from))) {
		count(OUTCOME_FAMILY);
		return 0;
	}
	kept = bpf_sk_storage_get(&births, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!kept)
		return 0;
	birth.hold = cluster->hold;
	take_address(birth.at, there);
	birth.at_port = endpoint->port;
	set_options(ctx, cluster, tcp->inet_conn.icsk_user_timeout, &birth);
	*kept = birth;
	__builtin_memcpy(to, there, 16);
	ctx->user_port = endpoint->port;
	return 1;

refuse:
	tell_refused(&birth, full);
	bpf_set_retval(-ECONNREFUSED);
	*answer = REFUSE;
	return 0;
}

SEC("cgroup/connect4")
int mesh_connect4(struct bpf_sock_addr *ctx)
{
	__u32 to[4] = { 0, 0, bpf_htonl(0xffff), ctx->user_ip4 };
	__u32 from[4] = { 0, 0, bpf_htonl(0xffff), 0 };
	int answer;

	if (ctx->sk)
		from[3] = ctx->sk->src_ip4;
	if (decide(ctx, to, from, 0, &answer))
		ctx->user_ip4 = to[3];
	return answer;
}

SEC("cgroup/connect6")
int mesh_connect6(struct bpf_sock_addr *ctx)
{
	__u32 to[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };
	__u32 from[4] = {};
	int answer;

	if (ctx->sk) {
		from[0] = ctx->sk->src_ip6[0];
		from[1] = ctx->sk->src_ip6[1];
		from[2] = ctx->sk->src_ip6[2];
		from[3] = ctx->sk->src_ip6[3];
	}
	if (decide(ctx, to, from, 1, &answer)) {
		ctx->user_ip6[0] = to[0];
		ctx->user_ip6[1] = to[1];
		ctx->user_ip6[2] = to[2];
		ctx->user_ip6[3] = to[3];
	}
	return answer;
}

/* The peer of a socket is what it dialled, as it would be with a relay. */
static __always_inline struct birth *dialled_by(struct bpf_sock_addr *ctx)
{
	__u32 zero = 0;
	struct settings *own = bpf_map_lookup_elem(&settings, &zero);

	if (!own || !own->names_peers || !ctx->sk)
		return 0;
	return bpf_sk_storage_get(&births, ctx->sk, 0, 0);
}

SEC("cgroup/getpeername4")
int mesh_peer4(struct bpf_sock_addr *ctx)
{
	struct birth *birth = dialled_by(ctx);
	__u32 ip[4];

	if (!birth)
		return 1;
	__builtin_memcpy(ip, birth->dialled, 16);
	if (is_four(ip)) {
		ctx->user_ip4 = ip[3];
		ctx->user_port = birth->dialled_port;
	}
	return 1;
}

SEC("cgroup/getpeername6")
int mesh_peer6(struct bpf_sock_addr *ctx)
{
	struct birth *birth = dialled_by(ctx);
	__u32 ip[4];

	if (!birth)
		return 1;
	__builtin_memcpy(ip, birth->dialled, 16);
	ctx->user_ip6[0] = ip[0];
	ctx->user_ip6[1] = ip[1];
	ctx->user_ip6[2] = ip[2];
	ctx->user_ip6[3] = ip[3];
	ctx->user_port = birth->dialled_port;
	return 1;
}

static __always_inline void add_live(__u32 slot, __u64 more)
{
	__u64 *counted = bpf_map_lookup_elem(&live, &slot);

	if (counted)
		__sync_fetch_and_add(counted, more);
}

/* Adds to what a connection counts in. */
static __always_inline void add_to_gauges(const struct birth *birth, __u64 active, __u64 pending)
{
	struct gauge *gauge;
	__u64 *load;

	if (birth->counts & COUNTS_LISTENER) {
		gauge = bpf_map_lookup_elem(&gauges, &birth->listener);
		if (gauge)
			__sync_fetch_and_add(&gauge->active, active);
	}
	if (birth->counts & COUNTS_CLUSTER) {
		gauge = bpf_map_lookup_elem(&gauges, &birth->cluster);
		if (gauge) {
			__sync_fetch_and_add(&gauge->active, active);
			__sync_fetch_and_add(&gauge->pending, pending);
		}
	}
	if (birth->counts & COUNTS_LOAD) {
		load = bpf_map_lookup_elem(&loads, &birth->load);
		if (load)
			__sync_fetch_and_add(load, active);
	}
}

static __always_inline void take_client(struct bpf_sock_ops *ctx, struct record *record)
{
	__u32 four = ctx->local_ip4;
	__u32 ip[4] = { ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2], ctx->local_ip6[3] };

	/* the verifier takes no pointer into the context that was computed, as one for both families would be */
	barrier_var(four);
	barrier_var(ip[3]);
	if (ctx->family == AF_INET) {
		ip[0] = ip[1] = 0;
		ip[2] = bpf_htonl(0xffff);
		ip[3] = four;
	}
	take_address(record->client, ip);
	record->client_port = ctx->local_port;
}

static __always_inline void tell(struct bpf_sock_ops *ctx, const struct birth *birth, __u8 kind, __u8 last)
{
	struct tcp_sock *tcp;
	struct record *record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);

	if (!record) {
		count(OUTCOME_LOST);
		return;
	}
	__builtin_memset(record, 0, __builtin_offsetof(struct record, birth));
	record->kind = kind;
	record->last = last;
	record->now = bpf_ktime_get_ns();
	record->birth = *birth;
	take_client(ctx, record);
	tcp = ctx->sk ? bpf_skc_to_tcp_sock(ctx->sk) : 0;
	if (tcp) {
		record->error = tcp->inet_conn.icsk_inet.sk.sk_err;
		record->finished = tcp->inet_conn.icsk_inet.sk.__sk_common.skc_flags >> SOCK_DONE & 1;
		record->sent = tcp->bytes_sent - tcp->bytes_retrans;
		record->received = tcp->bytes_received;
		record->round_trip = tcp->srtt_us >> 3;
		record->again = tcp->total_retrans;
	}
	bpf_ringbuf_submit(record, wake());
}

static __always_inline void established(struct bpf_sock_ops *ctx, struct birth *birth)
{
	struct tcp_sock *tcp = ctx->sk ? bpf_skc_to_tcp_sock(ctx->sk) : 0;

	/* whoever set it meanwhile meant it */
	if (tcp && tcp->inet_conn.icsk_user_timeout == birth->connect_timeout) {
		int before = birth->user_timeout;

		bpf_setsockopt(ctx, IPPROTO_TCP, TCP_USER_TIMEOUT, &before, sizeof(before));
	}
	birth->established = bpf_ktime_get_ns();
	if (birth->counts && birth->counted)
		add_to_gauges(birth, 0, -1);
	tell(ctx, birth, RECORD_OPENED, BPF_TCP_ESTABLISHED);
}

static __always_inline void changed(struct bpf_sock_ops *ctx, struct birth *birth)
{
	__u32 before = ctx->args[0], after = ctx->args[1];

	if (before == BPF_TCP_ESTABLISHED && after != BPF_TCP_CLOSE)
		birth->first = after == BPF_TCP_CLOSE_WAIT ? FIRST_BACKEND : FIRST_CLIENT;
	if (after != BPF_TCP_CLOSE || !birth->counted)
		return;
	birth->counted = 0;
	add_live(birth->slot, -1);
	if (birth->counts)
		add_to_gauges(birth, -1, birth->established ? 0 : -1);
	tell(ctx, birth, RECORD_ENDED, before);
	if (before == BPF_TCP_SYN_SENT && birth->hold) {
		struct tcp_sock *tcp = ctx->sk ? bpf_skc_to_tcp_sock(ctx->sk) : 0;
		__u64 *until = bpf_map_lookup_elem(&holds, &birth->number);

		/* an application that gave up says nothing about the endpoint */
		if (tcp && tcp->inet_conn.icsk_inet.sk.sk_err && until)
			*until = bpf_ktime_get_ns() + birth->hold;
	}
}

SEC("sockops")
int mesh_ops(struct bpf_sock_ops *ctx)
{
	__u32 op = ctx->op;
	struct bpf_sock *sk;
	struct birth *birth;

	if (op == BPF_SOCK_OPS_STATE_CB) {
		/* of all states only who leaves first is told, and the end */
		if (ctx->args[0] != BPF_TCP_ESTABLISHED && ctx->args[1] != BPF_TCP_CLOSE)
			return 1;
	} else if (op != BPF_SOCK_OPS_TCP_CONNECT_CB && op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB) {
		return 1;
	}
	sk = ctx->sk;
	if (!sk)
		return 1;
	birth = bpf_sk_storage_get(&births, sk, 0, 0);
	if (!birth)
		return 1;
	if (op == BPF_SOCK_OPS_TCP_CONNECT_CB) {
		/* not in connect: what has no way there never counts */
		birth->counted = 1;
		add_live(birth->slot, 1);
		if (birth->counts)
			add_to_gauges(birth, 1, 1);
		bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
	} else if (op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB) {
		established(ctx, birth);
	} else {
		changed(ctx, birth);
	}
	return 1;
}
