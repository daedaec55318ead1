//! What travels between a client and its server.
//!
//! A frame's sequence is the number of its call. Calls are numbered from 0, and answered in the order
//! in which they were sent.
//!
//! | from the client | payload |
//! |---|---|
//! | `CALL` | the request |
//! | `CANCEL` | none: nobody waits for the answer any more |
//! | `CREDIT` | a `u32`: so many more items may be sent |
//! | `CONTROL` | a request to what is around the service; else as `CALL` |
//!
//! | from the server | payload | ends the call |
//! |---|---|---|
//! | `REPLY` | the response | yes |
//! | `STARTED` | the response of a method that streams: items follow | |
//! | `ITEM` | one item | |
//! | `END` | none: there are no more items | yes |
//! | `CANCELLED` | none: the answer to a call that was cancelled | yes |
//! | `PANICKED` | the message, a string | yes |
//! | `UNSENDABLE` | why the answer could not be sent, a string | yes |

pub(crate) const CALL: u16 = 1;
pub(crate) const CANCEL: u16 = 2;
pub(crate) const CREDIT: u16 = 3;
pub(crate) const CONTROL: u16 = 4;

pub(crate) const REPLY: u16 = 16;
pub(crate) const STARTED: u16 = 17;
pub(crate) const ITEM: u16 = 18;
pub(crate) const END: u16 = 19;
pub(crate) const CANCELLED: u16 = 20;
pub(crate) const PANICKED: u16 = 21;
pub(crate) const UNSENDABLE: u16 = 22;

/// How many calls of a connection may be unanswered. A client waits before it sends more; a server
/// takes more for a breach of the protocol.
pub const IN_FLIGHT: usize = 64;

/// How many items of a stream are on their way at most: sent, and not yet taken by who reads it.
pub const WINDOW: u32 = 16;

/// How many descriptors there may be at most in the calls that a server has not begun, and in the
/// answers that a client has received and nobody has taken.
///
/// A client waits before it sends more; answers with more are a breach of the protocol.
pub const DESCRIPTORS: usize = 256;

/// How much of a text from the other end is kept.
pub(crate) const TEXT: usize = 4 << 10;

/// Cuts a text to [`TEXT`] bytes.
pub(crate) fn cut(mut text: String) -> String {
    if text.len() > TEXT {
        let end = (0..=TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("short".to_owned()), "short");
        let long = cut("€".repeat(TEXT));
        assert!(long.len() <= TEXT && long.len() > TEXT - 3 && long.ends_with('€'));
    }
}
