//! A corpus asked of a world, 32 requests at a time. Nothing a caller is told follows from their order: ids and tokens
//! follow from the request's number, which its `X-Request-ID` states. <https://hl7.org/fhir/R4/http.html#paging>

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::corpus::{Turn, What};
use super::emergency;
use crate::harness::{Answer, Ask, Door, Partner, World};

const AT_ONCE: usize = 32;
/// A search leads over no more pages than this.
const MOST_PAGES: usize = 40;

/// What comes after the first answer.
#[derive(Clone, Copy)]
enum Then {
    Nothing,
    Pages,
    Again,
    Papers,
}

struct Prepared {
    ask: Ask,
    then: Then,
    token: String,
    request: String,
}

/// The responses to each turn, in the order of the turns.
pub type Pass = Vec<Vec<Answer>>;

/// The corpus asked once for each pass, by partners registered before the first.
pub async fn passes(world: &World, turns: &[Turn], names: &[&str]) -> Vec<Pass> {
    let partners = world.three().await;
    let answer = partners[emergency::WHO]
        .ask_token("system/*.rs", &["ETREAT"])
        .await;
    let urgent = answer.json()["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let mut passes = Vec::new();
    for name in names {
        passes.push(ask_all(world, &partners, &urgent, turns, name).await);
    }
    passes
}

async fn ask_all(world: &World, partners: &[Partner<'_>], urgent: &str, turns: &[Turn], pass: &str) -> Pass {
    let prepared: Vec<Prepared> = turns
        .iter()
        .enumerate()
        .map(|(number, turn)| prepare(partners, urgent, turn, format!("{pass}-{number}")))
        .collect();
    let door = world.door();
    let mut answers: Pass = vec![Vec::new(); turns.len()];
    // The worker is driven here and after the openings, and nowhere else: what it has done by then is the same in both worlds.
    world.refresh().await;
    for (number, _) in turns.iter().enumerate().filter(|(_, turn)| turn.opens) {
        answers[number] = take_turn(&door, &prepared[number]).await;
    }
    world.refresh().await;
    let prepared = Arc::new(prepared);
    let open: Arc<Vec<usize>> = Arc::new((0..turns.len()).filter(|n| !turns[*n].opens).collect());
    let next = Arc::new(AtomicUsize::new(0));
    let mut askers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (door, prepared) = (door.clone(), Arc::clone(&prepared));
        let (open, next) = (Arc::clone(&open), Arc::clone(&next));
        askers.spawn(async move {
            let mut found = Vec::new();
            while let Some(number) = open.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
                found.push((number, take_turn(&door, &prepared[number]).await));
            }
            found
        });
    }
    for (number, answer) in askers.join_all().await.into_iter().flatten() {
        answers[number] = answer;
    }
    answers
}

fn prepare(partners: &[Partner<'_>], urgent: &str, turn: &Turn, request: String) -> Prepared {
    let partner = &partners[turn.partner];
    let (ask, then, token) = match &turn.what {
        What::Ask(ask) => (ask.clone(), Then::Nothing, partner.token.clone()),
        What::Emergency(ask) => (ask.clone(), Then::Nothing, urgent.to_owned()),
        What::Pages(ask) => (ask.clone(), Then::Pages, partner.token.clone()),
        What::Again(ask) => (ask.clone(), Then::Again, partner.token.clone()),
        What::Papers(ask) => (ask.clone(), Then::Papers, partner.token.clone()),
        What::Bare(ask) => (ask.clone(), Then::Nothing, String::new()),
        What::Token { scope, good } => {
            let mut claims = partner.claims();
            if !good {
                claims["aud"] = "https://elsewhere.test".into();
            }
            let ask = Partner::token_request(&partner.sign(&claims), scope);
            (ask, Then::Nothing, String::new())
        }
    };
    Prepared {
        ask,
        then,
        token,
        request,
    }
}

async fn take_turn(door: &Door, prepared: &Prepared) -> Vec<Answer> {
    let Prepared { ask, then, .. } = prepared;
    let mut answers = vec![send(door, prepared, ask.clone(), 0).await];
    match then {
        Then::Nothing => {}
        Then::Again => {
            let etag = answers[0].header("etag").to_owned();
            let again = ask.clone().with("if-none-match", &etag);
            answers.push(send(door, prepared, again, 1).await);
        }
        Then::Papers => {
            for path in attachments(&answers[0]) {
                let paper = Ask::get(&path).with("accept", "*/*");
                answers.push(send(door, prepared, paper, answers.len()).await);
            }
        }
        Then::Pages => {
            while let Some(path) = answers.last().and_then(next_page) {
                assert!(answers.len() < MOST_PAGES, "{}: no end of pages", ask.path);
                let page = Ask::get(&path);
                answers.push(send(door, prepared, page, answers.len()).await);
            }
        }
    }
    answers
}

async fn send(door: &Door, prepared: &Prepared, ask: Ask, part: usize) -> Answer {
    let mut ask = ask.with("x-request-id", &format!("{}-{part}", prepared.request));
    if !prepared.token.is_empty() {
        ask = ask.bearer(&prepared.token);
    }
    door.send(ask).await.expect("the request is HTTP")
}

/// Where the bytes of what was found are, as far as they are on this server.
fn attachments(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let entries = body["entry"].as_array().into_iter().flatten();
    let contents = entries.flat_map(|entry| entry["resource"]["content"].as_array().into_iter().flatten());
    contents
        .filter_map(|content| content["attachment"]["url"].as_str())
        .filter_map(|url| Some(url.strip_prefix("https://postern.test")?.to_owned()))
        .collect()
}

/// Where the `next` link leads, on this server.
pub fn next_page(answer: &Answer) -> Option<String> {
    let body = answer.json();
    let link = body["link"]
        .as_array()?
        .iter()
        .find(|link| link["relation"] == "next")?;
    let url = link["url"].as_str()?;
    Some(url.trim_start_matches("https://postern.test").to_owned())
}
