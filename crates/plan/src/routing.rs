//! Rules → outbounds, gateway listeners, weighted backends (spec 04).
mod names;
mod protocol;
