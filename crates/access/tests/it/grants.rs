//! The life of a grant: what steps it takes, in whatever order and however many people act at once.

use std::collections::BTreeSet;

use cloister_access::{
    Action, Ask, BREAK_GLASS_APPROVALS, BREAK_GLASS_TERM, Clock, Error, Grant, Id, Instant, LONGEST_TERM, Principal,
    Refusal, State, Step,
};
use proptest::prelude::*;

use super::{id, minutes, now};

fn ask(needed: u8) -> Ask {
    Ask {
        tenant: id("acme"),
        who: Principal::User(id("eva")),
        resource: "dataset:tickets".parse().unwrap(),
        acts: [Action::Train].into(),
        purpose: id("support"),
        requested_by: id("stan"),
        needed,
        not_before: now().plus(minutes(60)),
        expires: now().plus(minutes(120)),
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> Refusal {
    match result {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_grant_lives_from_request_to_expiry() {
    let mut grant = Grant::request(ask(2), now()).unwrap();
    assert_eq!(grant.state(now()), State::Requested);
    assert_eq!(grant.approve(&id("olga"), now().plus(minutes(1))).unwrap(), Step::Counted { missing: 1 });
    assert_eq!(grant.approve(&id("dora"), now().plus(minutes(2))).unwrap(), Step::Complete);
    assert_eq!(grant.approve(&id("adam"), now().plus(minutes(3))).unwrap(), Step::Unchanged);
    assert_eq!((grant.missing(), grant.revision(), grant.approvals().len()), (0, 2, 2));
    for (minute, state) in
        [(3, State::Approved), (59, State::Approved), (60, State::Active), (119, State::Active), (120, State::Expired)]
    {
        assert_eq!(grant.state(now().plus(minutes(minute))), state, "{minute}");
    }
    assert_eq!(refused(grant.approve(&id("dora"), now().plus(minutes(120)))), Refusal::Over);
    assert!(grant.revoke(now().plus(minutes(61))));
    assert!(!grant.revoke(now().plus(minutes(62))));
    assert_eq!(grant.state(now().plus(minutes(61))), State::Revoked);
    assert_eq!(refused(grant.approve(&id("adam"), now().plus(minutes(61)))), Refusal::Revoked);
    let text = serde_json::to_string(&grant).unwrap();
    assert_eq!(serde_json::from_str::<Grant>(&text).unwrap(), grant);
}

#[test]
fn requirement_12_nobody_approves_their_own_and_nobody_counts_twice() {
    let mut grant = Grant::request(ask(2), now()).unwrap();
    assert_eq!(refused(grant.approve(&id("stan"), now())), Refusal::OwnRequest);
    assert_eq!(refused(grant.approve(&id("eva"), now())), Refusal::OwnBenefit);
    assert_eq!(grant.approve(&id("olga"), now()).unwrap(), Step::Counted { missing: 1 });
    assert_eq!(grant.approve(&id("olga"), now()).unwrap(), Step::Unchanged);
    assert_eq!((grant.missing(), grant.revision()), (1, 1));
    let mut earlier = Grant::request(ask(2), now()).unwrap();
    earlier.approve(&id("olga"), now().plus(minutes(5))).unwrap();
    assert_eq!(refused(earlier.approve(&id("dora"), now().plus(minutes(4)))), Refusal::ClockBack);
    // Whom a grant changes gains from it too.
    let change = Ask { resource: "user:dora".parse().unwrap(), acts: [Action::MemberChange].into(), ..ask(1) };
    let mut change = Grant::request(change, now()).unwrap();
    assert_eq!(refused(change.approve(&id("dora"), now())), Refusal::OwnBenefit);
}

#[test]
fn requests_that_no_grant_can_meet_are_refused() {
    let refuse = |ask: Ask| refused(Grant::request(ask, now()));
    assert_eq!(refuse(Ask { acts: BTreeSet::new(), ..ask(1) }), Refusal::Acts);
    assert_eq!(refuse(Ask { acts: [Action::GrantApprove].into(), ..ask(1) }), Refusal::Acts);
    assert_eq!(refuse(Ask { acts: [Action::Train, Action::KeyRotate].into(), ..ask(1) }), Refusal::Acts);
    let program = Principal::Service(id("trainer"));
    assert!(Grant::request(Ask { who: program.clone(), ..ask(1) }, now()).is_ok());
    assert_eq!(refuse(Ask { who: program, acts: [Action::DatasetRead].into(), ..ask(1) }), Refusal::Acts);
    assert_eq!(refuse(ask(0)), Refusal::Approvals);
    assert_eq!(refuse(ask(10)), Refusal::Approvals);
    let from = ask(1).not_before;
    assert_eq!(refuse(Ask { expires: from, ..ask(1) }), Refusal::Term);
    assert_eq!(refuse(Ask { not_before: now(), expires: now(), ..ask(1) }), Refusal::Term);
    assert!(Grant::request(Ask { expires: from.plus(LONGEST_TERM), ..ask(1) }, now()).is_ok());
    assert_eq!(refuse(Ask { expires: from.plus(LONGEST_TERM + minutes(1)), ..ask(1) }), Refusal::Term);
}

#[test]
fn emergencies_lapse_after_ten_minutes_and_end_after_an_hour() {
    let begin = || Grant::break_glass(id("acme"), id("eva"), id("clinic"), id("support"), now());
    let mut grant = begin();
    assert_eq!(grant.approve(&id("stan"), now()).unwrap(), Step::Counted { missing: 1 });
    let late = now().plus(BREAK_GLASS_APPROVALS);
    assert_eq!(grant.approve(&id("dora"), late).unwrap(), Step::Complete);
    assert_eq!(grant.state(late), State::Active);
    assert_eq!(grant.state(late.plus(BREAK_GLASS_TERM)), State::Expired);
    assert_eq!(grant.expires(), late.plus(BREAK_GLASS_TERM));
    let mut lapsed = begin();
    let too_late = Instant::from_millis(late.millis() + 1).unwrap();
    assert_eq!(refused(lapsed.approve(&id("dora"), too_late)), Refusal::Over);
    assert_eq!(lapsed.state(too_late), State::Expired);
    assert_eq!(refused(begin().approve(&id("eva"), now())), Refusal::OwnRequest);
}

/// Somebody who approves through a store: reads the row, decides, and writes it over the revision that was read, or reads again.
#[derive(Clone)]
enum Actor {
    Reads(Id),
    Writes(Id, Box<Grant>, Step),
    Done,
}

#[derive(Clone)]
struct Store {
    row: Grant,
    actors: Vec<Actor>,
    completed: usize,
}

impl Store {
    /// Lets one actor take one step that nobody can come between.
    fn step(&mut self, actor: usize) {
        self.actors[actor] = match self.actors[actor].clone() {
            Actor::Reads(by) => {
                let mut copy = self.row.clone();
                match copy.approve(&by, now()) {
                    Ok(Step::Unchanged) | Err(_) => Actor::Done,
                    Ok(step) => Actor::Writes(by, Box::new(copy), step),
                }
            }
            Actor::Writes(by, copy, _) if copy.revision() != self.row.revision() + 1 => Actor::Reads(by),
            Actor::Writes(_, copy, step) => {
                self.row = *copy;
                self.completed += usize::from(step == Step::Complete);
                Actor::Done
            }
            Actor::Done => Actor::Done,
        };
    }

    /// Every order of steps; calls `check` at the end of each.
    fn interleave(&self, check: &mut impl FnMut(&Self)) {
        let mut ended = true;
        for actor in 0..self.actors.len() {
            if !matches!(self.actors[actor], Actor::Done) {
                ended = false;
                let mut next = self.clone();
                next.step(actor);
                next.interleave(check);
            }
        }
        if ended {
            check(self);
        }
    }
}

#[test]
fn requirement_12_approvals_at_the_same_time_give_one_grant() {
    for (needed, people) in [
        (1, &["olga", "olga"][..]),
        (1, &["olga", "dora", "adam"]),
        (2, &["olga", "olga", "olga"]),
        (2, &["olga", "olga", "dora"]),
        (2, &["olga", "dora", "stan", "eva"]),
        (3, &["olga", "dora", "adam"]),
        (2, &["stan", "eva", "olga"]),
    ] {
        let actors = people.iter().map(|by| Actor::Reads(id(by))).collect();
        let store = Store { row: Grant::request(ask(needed), now()).unwrap(), actors, completed: 0 };
        let others: BTreeSet<Id> =
            people.iter().map(|by| id(by)).filter(|by| !["stan", "eva"].contains(&by.as_str())).collect();
        let enough = others.len() >= usize::from(needed);
        let mut orders = 0;
        store.interleave(&mut |end| {
            orders += 1;
            assert_eq!(end.completed, usize::from(enough), "{needed} {people:?}");
            assert_eq!(end.row.approvals().len(), others.len().min(usize::from(needed)));
            assert_eq!(end.row.revision(), end.row.approvals().len() as u64);
            assert!(end.row.approvals().keys().all(|by| others.contains(by)));
            assert_eq!(end.row.missing() == 0, enough);
        });
        assert!(orders > 1, "{people:?}");
    }
}

const PEOPLE: &[&str] = &["stan", "eva", "olga", "dora", "adam"];

proptest! {
    /// Whatever is done in whatever order, and when the machine's clock goes back: nobody counts who may not, and a state is left
    /// forwards only.
    #[test]
    fn requirement_13_what_is_over_or_revoked_never_comes_back(
        needed in 1_u8..4,
        emergency: bool,
        steps in prop::collection::vec((0_usize..5, 0_u8..8, -3_i64..20), 1..40),
    ) {
        let mut grant = match emergency {
            true => Grant::break_glass(id("acme"), id("eva"), id("tickets"), id("support"), now()),
            false => Grant::request(ask(needed), now()).unwrap(),
        };
        let (mut machine, mut clock) = (now().millis() as i64, Clock::after(Some(now())));
        let mut before = grant.state(now());
        for (person, deed, minutes) in steps {
            machine += minutes * 60_000;
            let at = clock.read(Instant::from_millis(machine as u64).unwrap()).now;
            let revision = grant.revision();
            match deed {
                0 => {
                    let was = grant.revoked_at().is_some();
                    prop_assert_eq!(grant.revoke(at), !was);
                }
                1..6 => {
                    let copy = grant.clone();
                    if grant.approve(&id(PEOPLE[person]), at).is_err() {
                        prop_assert_eq!(&grant, &copy);
                    }
                }
                _ => {}
            }
            prop_assert!(grant.revision() == revision || grant.revision() == revision + 1);
            let state = grant.state(at);
            prop_assert!(before <= state, "{before:?} {state:?}");
            before = state;
            prop_assert!(grant.approvals().keys().all(|by| by != grant.requested_by() && !grant.gains(by)));
            if matches!(state, State::Approved | State::Active) {
                prop_assert!(grant.approvals().len() >= usize::from(grant.needed()));
            }
        }
    }
}
