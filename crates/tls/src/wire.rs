//! Bytes of the wire, lent to the library for the duration of one call.
//!
//! The library reads and writes by callbacks that get a pointer. It points to a [`Wire`] on the stack of the caller,
//! and is cleared before [`with_wire`] returns; a callback without one finds nothing to read and no room to write.
//!
//! Beside it stand two other calls that the library has as unsafe, or for C only.
#![allow(unsafe_code)] // the callbacks are C functions: there is no other way to lend the library a buffer

use std::ffi::{c_int, c_void};

use s2n_tls::config::Builder;
use s2n_tls::connection::Connection;
use s2n_tls::error::Error;
use s2n_tls_sys::{s2n_connection, s2n_connection_free_handshake};

/// Buffers of a call.
pub(crate) struct Wire<'a> {
    /// Arrived bytes that were not read yet.
    pub(crate) incoming: &'a [u8],
    /// Bytes to send; appended to.
    pub(crate) outgoing: &'a mut Vec<u8>,
}

/// Makes a connection read and write only by [`with_wire`].
pub(crate) fn attach(connection: &mut Connection) -> Result<(), Error> {
    connection.set_receive_callback(Some(receive))?;
    connection.set_send_callback(Some(send))?;
    lend(connection, std::ptr::null_mut())
}

/// Calls the library with bytes to read and room to write.
pub(crate) fn with_wire<R>(
    connection: &mut Connection,
    wire: &mut Wire<'_>,
    call: impl FnOnce(&mut Connection) -> R,
) -> Result<R, Error> {
    lend(connection, std::ptr::from_mut(wire).cast())?;
    let result = call(connection);
    lend(connection, std::ptr::null_mut())?;
    Ok(result)
}

/// Disables the verification of peers in connections of a context.
pub(crate) fn believe_anybody(builder: &mut Builder) -> Result<(), Error> {
    // SAFETY: the call sets a flag of the configuration, and touches no other memory: the library marks it as unsafe
    // since its caller gives up security, which an operator asked for here, and is warned of.
    unsafe { builder.disable_x509_verification() }.map(drop)
}

/// Gives back what only a handshake needs, more than all the rest: a buffer of the largest record, transcripts, the client's hello.
/// For a connection whose handshake is done, and of which nobody asks what stood in the hello any more.
pub(crate) fn free_handshake(connection: &mut Connection) {
    const { assert!(size_of::<Connection>() == size_of::<*mut s2n_connection>()) };
    // SAFETY: a `Connection` is the pointer to the library's own and nothing else: it has one field, which is a `NonNull` of that, and
    // is as large as one, as asserted; the version of the library is fixed for that. The pointer is valid as long as it is borrowed.
    // The library keeps what it needs after the handshake elsewhere; should it fail, it has freed less.
    unsafe {
        s2n_connection_free_handshake(std::ptr::from_mut(connection).cast::<*mut s2n_connection>().read())
    };
}

fn lend(connection: &mut Connection, context: *mut c_void) -> Result<(), Error> {
    // SAFETY: the pointer is null, or to the `Wire` that `with_wire` borrows for the whole call and clears after it.
    // Should the call unwind, the pointer dangles, but nothing reads it: only calls made by `with_wire` do, which sets
    // another one first.
    unsafe {
        connection.set_receive_context(context)?;
        connection.set_send_context(context)?;
    }
    Ok(())
}

/// Reports to the library that nothing is available for now.
fn would_block() -> c_int {
    // SAFETY: the location of this thread's own `errno`, which the library reads after a callback that returned -1.
    unsafe { *libc::__errno_location() = libc::EAGAIN };
    -1
}

unsafe extern "C" fn receive(context: *mut c_void, into: *mut u8, length: u32) -> c_int {
    // SAFETY: null or the `Wire` of the present call (see `lend`), which has no other user meanwhile.
    let Some(wire) = (unsafe { context.cast::<Wire<'_>>().as_mut() }) else { return would_block() };
    let taken = wire.incoming.len().min(length as usize).min(c_int::MAX as usize);
    if taken == 0 {
        return would_block();
    }
    let (bytes, rest) = wire.incoming.split_at(taken);
    // SAFETY: the library gives `length` writable bytes of its own, and `taken` is no more; they are not part of ours.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), into, taken) };
    wire.incoming = rest;
    taken as c_int
}

unsafe extern "C" fn send(context: *mut c_void, from: *const u8, length: u32) -> c_int {
    // SAFETY: as in `receive`.
    let Some(wire) = (unsafe { context.cast::<Wire<'_>>().as_mut() }) else { return would_block() };
    let taken = length.min(c_int::MAX as u32);
    if taken > 0 {
        // SAFETY: the library gives `length` initialised bytes of its own, which stay as they are until this returns.
        wire.outgoing.extend_from_slice(unsafe { std::slice::from_raw_parts(from, taken as usize) });
    }
    taken as c_int
}
