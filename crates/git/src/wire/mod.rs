//! The smart protocol of Git over HTTP: what a server has, packs from it, and packs to it. Protocol version 0, which
//! every server speaks and which fits one request and one answer.

mod http;
mod pack;
mod packet;

pub(crate) use http::Remote;
pub(crate) use pack::write as write_pack;
