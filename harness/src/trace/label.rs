//! Whose an event is: the labels of a trace, such as `viewer-3`, `stage/viewer-3`, `server/v2` and `run`.
//!
//! Owns how they are put together. Room names have no slash of their own.

/// The client that the doctor examines, which is no bot: only what it says is in the trace, not what it has.
pub(crate) const CLIENT: &str = "client";

/// Whether it is the run itself, of one room or of all.
pub(crate) fn is_run(label: &str) -> bool {
    last_part(label) == "run"
}

/// The name of a server's client, empty for the server itself; `None` for whoever is no server.
pub(crate) fn server_client(label: &str) -> Option<&str> {
    if last_part(label) == "server" {
        return Some("");
    }
    let (before, client) = label.rsplit_once('/')?;
    (last_part(before) == "server").then_some(client)
}

/// The label without its room.
pub(crate) fn last_part(label: &str) -> &str {
    label.rsplit_once('/').map_or(label, |(_, last)| last)
}

/// The room, where there are several.
pub(crate) fn room_of(label: &str) -> &str {
    label.rsplit_once('/').map_or("", |(room, _)| room)
}

/// Whether somebody is meant by a name, with the room or without.
pub(crate) fn is_called(label: &str, name: &str) -> bool {
    label == name || last_part(label) == name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_one_in_a_room_too_and_a_viewer_is_none() {
        assert_eq!(server_client("server"), Some(""));
        assert_eq!(server_client("stage/server"), Some(""));
        assert_eq!(server_client("server/v2"), Some("v2"));
        assert_eq!(server_client("stage/server/v2"), Some("v2"));
        assert_eq!(server_client("stage/viewer-1"), None);
        assert!(is_run("run") && is_run("stage/run") && !is_run("runner"));
    }
}
