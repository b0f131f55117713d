//! What happens in a call, as data: who joins, what is offered again, who leaves.
//!
//! Owns the choice among legal calls. It must not make an event.

use proptest::prelude::*;

use super::description::{Medium, Style};

/// A call.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) viewers: Vec<Viewer>,
    /// The order of what may come in any order, see [`Weave::events`](super::weave::Weave::events).
    pub(crate) order: Vec<(u8, u8)>,
}

/// What one viewer does.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    /// It waits for the broadcaster instead of coming later.
    pub(crate) comes_first: bool,
    pub(crate) style: Style,
    pub(crate) media: Vec<Medium>,
    /// It numbers payload types otherwise than the offer.
    pub(crate) renumbers: bool,
    /// It is the DTLS client.
    pub(crate) is_active: bool,
    pub(crate) wire_is_read: bool,
    /// Of the broadcaster towards it, and its own.
    pub(crate) trickles: [Trickle; 2],
    /// Further offers of the broadcaster.
    pub(crate) changes: Vec<Change>,
    pub(crate) chats: u8,
    /// How often the broadcaster mutes or unmutes while it is there.
    pub(crate) states: u8,
    pub(crate) ending: Ending,
}

/// How one end tells its candidates.
#[derive(Clone, Debug)]
pub(crate) struct Trickle {
    /// In the description.
    pub(crate) written: u8,
    /// Sent before the description.
    pub(crate) early: u8,
    /// Sent after it.
    pub(crate) later: u8,
    pub(crate) end: End,
    pub(crate) names: Names,
    pub(crate) has_ufrag: bool,
}

/// How the end of candidates is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Unsaid,
    /// end-of-candidates without the generation's name.
    Bare,
    /// end-of-candidates with it.
    Named,
    /// A browser's empty candidate, for the first m-section.
    Empty,
    /// a=end-of-candidates; nothing is trickled.
    Written,
}

/// How a candidate names its m-section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    Mid,
    Index,
    Both,
}

/// What a further offer changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing at all.
    Again,
    /// Sound pauses or goes on.
    Sound,
    /// A section comes; the viewer may reject it.
    Add { medium: Medium, is_taken: bool },
    /// The last section that is not the picture ends with port 0.
    Stop,
    /// A section that ended is used again, with a new mid.
    Recycle,
    /// ICE restarts.
    Restart,
}

/// How a viewer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Stays,
    Leaves,
    /// It leaves and comes back under its old label and another name.
    Returns,
}

impl Plan {
    /// The plainest call with these further offers: one viewer, sound and picture, everything in the order of adding.
    pub(crate) fn plain(changes: &[Change]) -> Self {
        let trickle = || Trickle {
            written: 0,
            early: 0,
            later: 2,
            end: End::Named,
            names: Names::Both,
            has_ufrag: true,
        };
        Self {
            viewers: vec![Viewer {
                comes_first: false,
                style: Style::Browser,
                media: vec![Medium::Audio, Medium::Video],
                renumbers: false,
                is_active: true,
                wire_is_read: true,
                trickles: [trickle(), trickle()],
                changes: changes.to_vec(),
                chats: 2,
                states: 2,
                ending: Ending::Stays,
            }],
            order: vec![(0, 2)],
        }
    }

    /// The same with a second viewer like the first.
    pub(crate) fn for_two(self) -> Self {
        let mut viewers = self.viewers;
        viewers.extend(viewers.first().cloned());
        Self { viewers, ..self }
    }
}

/// Legal calls of one to six viewers.
pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    let order = prop::collection::vec((any::<u8>(), 0_u8..4), 1..200);
    (prop::collection::vec(viewer(), 1..=6), order).prop_map(|(viewers, order)| Plan { viewers, order })
}

fn viewer() -> impl Strategy<Value = Viewer> {
    let media = prop::sample::select(vec![
        vec![Medium::Video],
        vec![Medium::Audio, Medium::Video],
        vec![Medium::Video, Medium::Audio],
        vec![Medium::Audio, Medium::Video, Medium::Data],
    ]);
    let style = prop::sample::select(vec![Style::Browser, Style::Engine]);
    let ending = prop::sample::select(vec![
        Ending::Stays,
        Ending::Stays,
        Ending::Leaves,
        Ending::Returns,
    ]);
    (
        (any::<bool>(), style, media, any::<bool>(), any::<bool>()),
        prop::bool::weighted(0.9),
        [trickle(), trickle()],
        prop::collection::vec(change(), 0..4),
        (0_u8..3, 0_u8..3, ending),
    )
        .prop_map(
            |((comes_first, style, media, renumbers, is_active), wire_is_read, trickles, changes, rest)| {
                let (chats, states, ending) = rest;
                Viewer {
                    comes_first,
                    style,
                    media,
                    renumbers,
                    is_active,
                    wire_is_read,
                    trickles,
                    changes,
                    chats,
                    states,
                    ending,
                }
            },
        )
}

fn trickle() -> impl Strategy<Value = Trickle> {
    let end = prop::sample::select(vec![End::Unsaid, End::Bare, End::Named, End::Empty, End::Written]);
    let names = prop::sample::select(vec![Names::Mid, Names::Index, Names::Both]);
    (0_u8..3, 0_u8..3, 0_u8..4, end, names, any::<bool>()).prop_map(
        |(written, early, later, end, names, has_ufrag)| {
            let trickled = end != End::Written;
            Trickle {
                // Somebody has to say where it is.
                written: written.max(u8::from(!trickled || early + later == 0)),
                early: if trickled { early } else { 0 },
                later: if trickled { later } else { 0 },
                end,
                names,
                has_ufrag,
            }
        },
    )
}

fn change() -> impl Strategy<Value = Change> {
    let medium = prop::sample::select(vec![Medium::Audio, Medium::Video, Medium::Data]);
    prop_oneof![
        Just(Change::Again),
        Just(Change::Sound),
        (medium, any::<bool>()).prop_map(|(medium, is_taken)| Change::Add { medium, is_taken }),
        Just(Change::Stop),
        Just(Change::Recycle),
        Just(Change::Restart),
    ]
}
