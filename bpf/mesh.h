/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The values of the maps: the same layout as in crates/kernel/src/layout.rs. Addresses are IPv6, or IPv4 mapped into it, in
 * network order, as ports are; times are nanoseconds of the monotonic clock, unless something else is said.
 */
#ifndef MESH_H
#define MESH_H

#include <linux/types.h>

#define LISTENERS 4096 /* all that may be there */
#define ROUTES 4096
#define CLUSTERS 1024
#define ENDPOINTS 8192
#define INTERVALS 64  /* of a route; a power of two, as those below */
#define PLACES 256    /* of a cluster */
#define ADDRESSES 512 /* of a cluster */
#define STEPS 8       /* how many endpoints are looked at that are held, or may be busy */
#define RING (4 << 20)

/* How far a draw is from the one before it: `l4::balance::Draws`. */
#define STEP 0x9e3779b97f4a7c15ULL

#define VERDICT_RELAY 0
#define VERDICT_GO 1
#define VERDICT_REFUSE 2

#define BY_TURNS 0
#define BY_CHANCE 1
#define BY_LOAD 2

#define OUTCOME_LOST 0   /* records that the ring had no room for */
#define OUTCOME_TABLE 1  /* connections left to the relay: the table says so */
#define OUTCOME_HELD 2   /* … endpoints failed a moment ago */
#define OUTCOME_SOURCE 3 /* … the socket is bound to loopback, and the endpoint is not there */
#define OUTCOME_FAMILY 4 /* … the socket cannot speak the endpoint's family */
#define OUTCOME_CLIENT 5 /* … clients differ, and the socket is bound to an address of its own */
#define OUTCOMES 6

#define RECORD_OPENED 1
#define RECORD_ENDED 2
#define RECORD_REFUSED 3

#define FULL_NOT 0
#define FULL_LISTENER 1
#define FULL_CONNECTIONS 2
#define FULL_PENDING 3

/* What a connection counts in, besides its route. */
#define COUNTS_LISTENER 1
#define COUNTS_CLUSTER 2
#define COUNTS_LOAD 4

#define FIRST_NOBODY 0
#define FIRST_CLIENT 1
#define FIRST_BACKEND 2

struct destination {
	__u8 ip[16];
	__u32 netns; /* the inode of the network namespace */
	__u16 port;
	__u16 zero;
};

struct listener {
	__u32 slot;   /* of its route */
	__u32 number; /* of its draws */
	__u64 name;   /* for whoever adopts the tables: by what it knows the listener */
};

struct interval {
	__u64 end; /* the last draw that falls on it */
	__u32 cluster;
	__u8 verdict;
	__u8 zero[3];
};

struct route {
	__u32 length;
	__u32 limit;     /* of the listener's connections; 0: none */
	__u32 by_client; /* whether the table is that of clients on loopback */
	__u32 zero;
	__u64 meaning; /* for whoever adopts the tables: whether intervals and endpoints are called as it calls them */
	struct interval intervals[INTERVALS];
};

struct place {
	__u64 end; /* the last position that is its own; by load: its weight */
	__u16 at;  /* the first of its addresses */
	__u16 of;  /* how many there are */
	__u16 endpoint;
	__u16 zero;
};

struct cluster {
	__u32 number; /* of its turns */
	__u32 length;
	__u32 kind;
	__u32 connect_timeout; /* milliseconds */
	__u32 user_timeout;    /* milliseconds; 0: as the application has it, as all below */
	__u32 keepalive;
	__u32 keepalive_idle;     /* seconds */
	__u32 keepalive_interval; /* seconds */
	__u32 keepalive_probes;
	__u32 limit;         /* of connections; 0: none */
	__u32 pending_limit; /* of those that are being established; 0: none */
	__u32 choices;       /* by load: how many places are drawn, at most STEPS */
	__u64 hold;          /* nanoseconds */
	__u64 total;
	__u64 stride;
	__u64 name; /* for whoever adopts the tables: by what it knows the cluster */
	struct place places[PLACES];
	__u32 addresses[ADDRESSES];
};

struct endpoint {
	__u8 ip[16];
	__u16 port;
	__u16 zero;
};

/* How many connections a listener or a cluster has. */
struct gauge {
	__u64 active;
	__u64 pending;
};

struct settings {
	__u32 process;     /* the one whose connects are never touched */
	__u32 names_peers; /* whether a socket's peer is what it dialled */
};

struct birth {
	__u64 cookie;
	__u64 started;
	__u64 established; /* 0: not yet */
	__u64 draw;
	__u64 turn;
	__u64 hold;
	__u8 dialled[16];
	__u8 at[16];
	__u8 command[16];
	__u16 dialled_port;
	__u16 at_port;
	__u32 slot;
	__u32 number; /* of the endpoint */
	__u32 process;
	__u32 user;
	__u32 user_timeout;
	__u32 connect_timeout;
	__u16 interval;
	__u16 endpoint; /* its index in the cluster */
	__u8 first;
	__u8 counted;
	__u8 counts;
	__u8 zero;
	__u32 listener; /* the numbers of what it counts in */
	__u32 cluster;
	__u32 load;
	__u32 zero2;
};

struct record {
	__u8 kind;
	__u8 last; /* the state that it was in */
	__u8 finished;
	__u8 full; /* refused: what is full */
	__s32 error;
	__u64 now;
	__u64 sent;
	__u64 received;
	__u32 round_trip; /* microseconds */
	__u32 again;      /* segments that were sent again */
	__u8 client[16];
	__u32 client_port; /* in the host's order */
	__u32 zero2;
	struct birth birth;
};

#endif
