//! What a peer connection is called in the ledger, where broadcaster and viewer have to call it the same.
//!
//! Owns that agreement, dialect by dialect. It knows no connection.

use greenroom_signaling::DialectName;

use super::Shared;
use crate::scenario::Party;

/// The broadcaster, where the server gives no name that viewers know it by.
const BROADCASTER: &str = "broadcaster";
/// The far end of a broadcaster that sends once, to a server that sends on; viewers receive what went there.
const MEDIA_SERVER: &str = "media-server";

impl Shared {
    /// Whether media goes through a server, to which the broadcaster sends once.
    pub(crate) fn has_media_server(&self) -> bool {
        self.scenario.dialect.has_media_server()
    }

    /// Whether viewers make the offer.
    pub(crate) fn viewers_offer(&self) -> bool {
        self.dialer_of(Party::Viewer(1)).dialect().viewers_offer()
    }

    /// The broadcaster, by what the server calls it.
    pub(crate) fn name_in_ledger<'a>(&self, broadcaster: &'a str) -> &'a str {
        match self.scenario.dialect.built_in() {
            // Janus names its publishers, and one that returns has another name.
            Some(DialectName::Native | DialectName::Janus) => broadcaster,
            _ => BROADCASTER,
        }
    }

    /// The viewer whose faults are planted in a connection of this name. What a media server gets all its viewers get, so
    /// the first one's are planted there.
    pub(crate) fn viewer_behind(&self, connection: &str) -> Option<u32> {
        if self.has_media_server() {
            return Some(1);
        }
        self.number_of(connection)
    }

    /// The connection to a viewer, by what the server calls the viewer and by the offer that opened it.
    ///
    /// Where no server gives names, the offer's ICE username fragment stands for it: both ends read the same offer, and
    /// no two have the same (RFC 8839 section 5.4).
    pub(crate) fn connection_in_ledger(&self, viewer: &str, offer: &str) -> String {
        let dialect = &self.scenario.dialect;
        if dialect.has_media_server() {
            return MEDIA_SERVER.to_owned();
        }
        let fragment = || {
            let mut lines = offer.lines();
            lines.find_map(|line| line.trim_end().strip_prefix("a=ice-ufrag:"))
        };
        match fragment() {
            Some(fragment) if *dialect != DialectName::Native => fragment.to_owned(),
            _ => viewer.to_owned(),
        }
    }
}
