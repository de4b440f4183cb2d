//! Client hello of TLS, as short as possible.

/// Client hello in one record, with a server name as its only extension; `None`: without any.
pub(crate) fn client_hello<'n>(server_name: impl Into<Option<&'n str>>) -> Vec<u8> {
    let sized = |body: &[u8]| [&(body.len() as u16).to_be_bytes()[..], body].concat();
    let named = |name: &str| {
        let names = sized(&[&[0][..], &sized(name.as_bytes())].concat());
        [&[0, 0][..], &sized(&names)].concat()
    };
    let extensions = sized(&server_name.into().map(named).unwrap_or_default());
    // no session, one cipher suite, no compression
    let body = [&[3, 3][..], &[7; 32], &[0], &sized(&[0x13, 0x01]), &[1, 0], &extensions].concat();
    let handshake = [&[1, 0][..], &sized(&body)].concat();
    [&[22, 3, 1][..], &sized(&handshake)].concat()
}
