//! What holds after any history of inputs.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    tests::{id, message, room},
    *,
};

fn any_input() -> impl Strategy<Value = Input> {
    let name = prop::sample::select(vec!["b1", "b2", "v1", "v2", "v3", "v4", "nobody", ""]);
    let kind = prop::sample::select(vec![
        "broadcaster",
        "viewer",
        "offer",
        "answer",
        "candidate",
        "end-of-candidates",
        "chat",
        "mute",
        "unmute",
        "stop",
        "leave",
    ]);
    let role = prop::sample::select(vec![Role::Broadcaster, Role::Viewer]);
    prop_oneof![
        3 => (name.clone(), role).prop_map(|(name, role)| Input::Join { id: id(name), role }),
        1 => name.clone().prop_map(|name| Input::Leave { id: id(name) }),
        6 => (name.clone(), kind, name)
            .prop_map(|(from, kind, to)| Input::Message { from: id(from), message: message(kind, to) }),
    ]
}

fn subject(input: &Input) -> &PeerId {
    match input {
        Input::Join { id, .. } | Input::Leave { id } => id,
        Input::Message { from, .. } => from,
    }
}

proptest! {
    #[test]
    fn no_history_addresses_a_stranger_or_breaks_the_room(history in prop::collection::vec(any_input(), 0..60)) {
        let mut room = room();
        let (mut version, mut seq) = (0, 0);
        for input in history {
            let members: BTreeSet<PeerId> = room.members().map(|(id, _)| id.clone()).collect();
            let subject = subject(&input).clone();
            let outputs = room.handle(input);
            let after: BTreeSet<PeerId> = room.members().map(|(id, _)| id.clone()).collect();
            for output in &outputs {
                match output {
                    Output::Send { to, message } => {
                        prop_assert!(!to.is_empty());
                        prop_assert!(to.iter().all(|id| after.contains(id)), "{output:?} to a stranger");
                        prop_assert_eq!(to.iter().collect::<BTreeSet<_>>().len(), to.len(), "twice to one");
                        if let ServerMessage::Chat { seq: next, .. } = message {
                            prop_assert_eq!(*next, seq + 1);
                            seq = *next;
                        }
                    }
                    Output::Reject { to, .. } => {
                        prop_assert_eq!(to, &subject);
                        prop_assert_eq!(outputs.len(), 1);
                        prop_assert_eq!(&members, &after, "a refused input changes nothing");
                    }
                    Output::Close { to } => prop_assert!(!after.contains(to)),
                }
            }
            prop_assert!(room.len() <= 4);
            prop_assert_eq!(room.len(), after.len());
            prop_assert!(room.members().filter(|&(_, role)| role == Role::Broadcaster).count() <= 1);
            prop_assert!(room.state().version >= version);
            version = room.state().version;
        }
    }

    #[test]
    fn equal_histories_give_equal_outputs(history in prop::collection::vec(any_input(), 0..40)) {
        let play = || {
            let mut room = room();
            history.iter().cloned().flat_map(|input| room.handle(input)).collect::<Vec<_>>()
        };
        prop_assert_eq!(play(), play());
    }

    #[test]
    fn no_text_makes_parsing_panic(text in ".{0,200}", kind in "[a-z-]{0,20}") {
        let _ = ClientMessage::parse(&text);
        let _ = ClientMessage::parse(&format!(r#"{{"type":"{kind}","to":"x","{kind}":{{}}}}"#));
        let _ = ServerMessage::parse(&text);
    }
}
