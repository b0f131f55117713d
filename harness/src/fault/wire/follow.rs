//! Signaling messages that nobody sent: made of one that was, to come before it or after it.
//!
//! Owns the making. What they are edited with is [`edit`]'s, and when they come is decided elsewhere.

use serde_json::{Value, json};

use super::edit;

/// The same description again, changed in a comment that means nothing.
pub(super) fn answer_anew(message: &Value) -> Option<Value> {
    let mut again = message.clone();
    edit::sdp(&mut again, |text| text.replacen("s=-", "s=again", 1));
    Some(again)
}

/// An offer of the viewer's own, made of the broadcaster's.
pub(super) fn offer_back(message: &Value) -> Option<Value> {
    let body = message.get("answer")?;
    let mut offer = body.clone();
    edit::set(&mut offer, "type", json!("offer"));
    let mut back = json!({"type": "offer", "from": message.get("from")?, "offer": offer});
    edit::sdp(&mut back, |text| {
        text.replace("a=setup:active", "a=setup:actpass")
            .replace("a=setup:passive", "a=setup:actpass")
    });
    Some(back)
}

/// A candidate of the generation that has just ended.
pub(super) fn candidate_after_end(message: &Value) -> Option<Value> {
    let ufrag = message.get("usernameFragment").cloned().unwrap_or(Value::Null);
    Some(json!({
        "type": "candidate",
        "from": message.get("from")?,
        "candidate": {
            "candidate": "candidate:9 1 udp 1 192.0.2.1 9 typ host",
            "sdpMid": "0",
            "sdpMLineIndex": 0,
            "usernameFragment": ufrag,
        },
    }))
}

/// An offer of a viewer that is being announced: to receive video, whatever comes.
pub(super) fn offer_of_newcomer(announcement: &Value) -> Vec<Value> {
    let from = announcement.get("id").cloned().unwrap_or_default();
    let sdp = format!(
        "v=0\r\no=- 7 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-options:trickle ice2\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\na=setup:actpass\r\n\
         a=ice-ufrag:newcomer\r\na=ice-pwd:aPasswordOfTheNewcomers\r\na=fingerprint:sha-256 {}00\r\n\
         a=rtpmap:96 VP8/90000\r\n",
        "00:".repeat(31)
    );
    vec![json!({"type": "offer", "from": from, "offer": {"type": "offer", "sdp": sdp}})]
}

/// The answer as a provisional one, and behind it an offer of the viewer's.
pub(super) fn pranswer_and_offer(message: &Value) -> Vec<Value> {
    let mut pranswer = message.clone();
    if let Some(body) = pranswer.get_mut("answer") {
        edit::set(body, "type", json!("pranswer"));
    }
    std::iter::once(pranswer).chain(offer_back(message)).collect()
}

/// A rollback without sdp.
pub(super) fn rollback(message: &Value) -> Option<Value> {
    let from = message.get("from")?;
    Some(json!({"type": "answer", "from": from, "answer": {"type": "rollback", "sdp": ""}}))
}

/// A rollback that carries the sdp of the answer.
pub(super) fn rollback_with_sdp(message: &Value) -> Vec<Value> {
    let mut rollback = message.clone();
    if let Some(body) = rollback.get_mut("answer") {
        edit::set(body, "type", json!("rollback"));
    }
    vec![rollback]
}

/// The offer again, as the next version of its session.
fn offer_again(message: &Value, change: impl Fn(&mut Value)) -> Option<Value> {
    let mut again = message.clone();
    edit::lines(&mut again, "o=", |line| {
        let mut fields: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let version = fields.get_mut(2)?;
        *version = version.parse::<u64>().ok()?.checked_add(1)?.to_string();
        Some(fields.join(" "))
    });
    change(&mut again);
    Some(again)
}

/// The next offer has the first two m-sections in the other order.
pub(super) fn sections_swapped(message: &Value) -> Option<Value> {
    offer_again(message, edit::swap_sections)
}

/// The next offer lacks the last m-section, also in its bundle.
pub(super) fn section_dropped(message: &Value) -> Option<Value> {
    offer_again(message, |again| {
        edit::drop_last_section(again);
        edit::lines(again, "a=group:BUNDLE", |line| {
            line.rsplit_once(' ').map(|(rest, _)| rest.to_owned())
        });
    })
}

/// The next offer has another ice-ufrag and the old ice-pwd.
pub(super) fn half_restart(message: &Value) -> Option<Value> {
    offer_again(message, edit::other_ufrag)
}

/// The next offer has another certificate's fingerprint and restarts nothing.
pub(super) fn certificate_changed(message: &Value) -> Option<Value> {
    offer_again(message, edit::other_fingerprint)
}
