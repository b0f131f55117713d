//! Our own bots as clients: nothing is wrong with them in any dialect.

use std::time::Duration;

use greenroom::signaling::DialectName;
use greenroom::{Answer, Card, ClientQuestion, RoleSelection, Run};
use greenroom_fixtures::Size;

use super::cards::doctor;
use crate::support::within;

/// Viewers that a host is made for: the doctor sends three.
const VIEWERS: u32 = 3;

/// The card of a bot in this role.
async fn card_of_bot(dialect: DialectName, role: RoleSelection) -> Card<ClientQuestion> {
    let (doctor, url) = doctor(dialect).await;
    let viewers = match role {
        RoleSelection::Broadcaster if !dialect.is_for_two() => VIEWERS,
        _ => 1,
    };
    let bot = Run::against(&url)
        .dialect(dialect)
        .role(role)
        .viewers(viewers)
        .size(Size::SMALL)
        .duration(Duration::from_secs(100));
    let bot = bot.start().await.unwrap();
    let card = within(Duration::from_secs(100), doctor.examine(std::future::pending()))
        .await
        .unwrap();
    drop(bot);
    card
}

/// Nothing is wrong, and everything was asked but this.
#[track_caller]
fn is_green(card: &Card<ClientQuestion>, not_asked: &[ClientQuestion]) {
    assert!(card.is_green(), "{card:#?}");
    let lines = card.lines.iter().filter(|line| line.answer == Answer::NotAsked);
    let found: Vec<_> = lines.map(|line| line.question).collect();
    assert_eq!(found, not_asked, "{card:#?}");
}

#[tokio::test]
async fn a_host_of_ours_has_a_green_card() {
    let card = card_of_bot(DialectName::BroadcastWs, RoleSelection::Broadcaster).await;
    is_green(&card, &[]);
}

#[tokio::test]
async fn a_host_of_ours_has_a_green_card_in_our_own_protocol() {
    let card = card_of_bot(DialectName::Native, RoleSelection::Broadcaster).await;
    is_green(&card, &[]);
}

#[tokio::test]
async fn a_host_of_ours_has_a_green_card_over_socket_io() {
    let card = card_of_bot(DialectName::SocketioRooms, RoleSelection::Broadcaster).await;
    is_green(&card, &[ClientQuestion::AfterChat]);
}

#[tokio::test]
async fn a_viewer_of_ours_has_a_green_card() {
    let card = card_of_bot(DialectName::BroadcastWs, RoleSelection::Viewers).await;
    is_green(&card, &[]);
}

#[tokio::test]
async fn a_peer_of_ours_has_a_green_card() {
    for dialect in [DialectName::Relay, DialectName::SocketioRelay] {
        let card = card_of_bot(dialect, RoleSelection::Viewers).await;
        is_green(&card, &[ClientQuestion::GivesWay]);
    }
}
