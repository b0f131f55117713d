//! What parsing takes, refuses and says about what it refuses.

use super::*;

#[test]
fn a_client_supplied_sender_and_other_unknown_fields_are_ignored() {
    let frame = r#"{"type":"chat","message":"hi","from":"b1","x":{"y":[1]}}"#;
    assert_eq!(
        ClientMessage::parse(frame),
        Ok(ClientMessage::Chat { message: "hi".into() })
    );
}

#[test]
fn an_unknown_type_is_told_from_a_malformed_message() {
    let kind = |frame: &str| match ClientMessage::parse(frame).unwrap_err() {
        DecodeError::UnknownType { kind } => format!("unknown {kind}"),
        DecodeError::Malformed { .. } => "malformed".into(),
        DecodeError::Binary { .. } => "binary".into(),
        DecodeError::Unexplained { .. } => "of another dialect".into(),
        DecodeError::Http { .. } => "an answer".into(),
    };
    assert_eq!(kind(r#"{"type":"dance"}"#), "unknown dance");
    assert_eq!(kind(r#"{"type":"joined"}"#), "unknown joined");
    for malformed in [
        "",
        "null",
        "[]",
        "{",
        "{}",
        r#"{"type":7}"#,
        r#"{"type":"chat"}"#,
        r#"{"type":"viewer","room":"no spaces"}"#,
        r#"{"type":"viewer","room":"r","protocol":"1"}"#,
        r#"{"type":"offer","offer":{"type":"offer","sdp":""}}"#,
        r#"{"type":"offer","to":"v1","offer":{"type":"answer","sdp":""}}"#,
        r#"{"type":"answer","to":"b1","answer":{"type":"rollback","sdp":""}}"#,
        r#"{"type":"mute","media":"smell"}"#,
    ] {
        assert_eq!(kind(malformed), "malformed", "{malformed}");
    }
}

#[test]
fn an_error_quotes_no_more_than_a_piece_of_a_hostile_frame() {
    let DecodeError::UnknownType { kind } =
        ClientMessage::parse(&format!(r#"{{"type":"{}"}}"#, "x".repeat(60_000))).unwrap_err()
    else {
        panic!("expected an unknown type")
    };
    assert_eq!(kind.len(), 80);
    let deep = "[".repeat(60_000);
    assert!(matches!(
        ClientMessage::parse(&deep),
        Err(DecodeError::Malformed { .. })
    ));
    let long = format!(r#"{{"type":"mute","media":"{}"}}"#, "x".repeat(60_000));
    assert!(ClientMessage::parse(&long).unwrap_err().to_string().len() < 500);
}

#[test]
fn every_declared_type_is_one_that_parsing_knows() {
    for kind in ClientMessage::TYPES {
        let parsed = ClientMessage::parse(&format!(r#"{{"type":"{kind}"}}"#));
        assert!(!matches!(parsed, Err(DecodeError::UnknownType { .. })), "{kind}");
        if let Ok(message) = parsed {
            assert_eq!(message.kind(), kind);
        }
    }
    let unknown = serde_json::from_str::<ServerMessage>(r#"{"type":"dance"}"#)
        .unwrap_err()
        .to_string();
    for kind in ServerMessage::TYPES {
        assert!(
            unknown.contains(&format!("`{kind}`")),
            "{kind} is not in {unknown}"
        );
    }
}

#[test]
fn absent_media_means_both() {
    let mute = |media| ClientMessage::Mute { media };
    assert_eq!(
        ClientMessage::parse(r#"{"type":"mute"}"#),
        Ok(mute(MutedMedia::All))
    );
    assert_eq!(
        ClientMessage::parse(r#"{"type":"mute","media":null}"#),
        Ok(mute(MutedMedia::All))
    );
    assert_eq!(mute(MutedMedia::All).to_json(), r#"{"type":"mute"}"#);
    assert_eq!(
        mute(MutedMedia::Video).to_json(),
        r#"{"type":"mute","media":"video"}"#
    );
}
