//! Histories of one Pipeline, by seed, on virtual time: builds, pods that crash, controllers that die and compete, lost
//! answers, watches that break for one environment or for all, records that are deleted, people. Invariants hold at every
//! commit, every plan, and at the end.

mod controller;
mod oracle;
mod random;
mod world;

use api::gantline::{Approval, Pin, ReleaseStatus, Verdict};
use promotion::Action;
use promotion::requests::{self, Asked, Refused, Vote};

use controller::Controller;
use jiff::Timestamp;
use world::{Commit, World};

/// How many events a history has before it comes to rest.
const EVENTS: usize = 70;

#[test]
fn histories() {
    run(0, count(1_000));
}

/// Histories that once ended badly.
#[test]
fn histories_of_before() {
    [7_072, 13_498, 158_815].into_iter().for_each(check);
}

/// `SIMULATE=1000000` plays as many; `make test` plays 20,000.
#[expect(clippy::disallowed_methods, reason = "a test is told how long it may take")]
fn count(usual: u64) -> u64 {
    std::env::var("SIMULATE").ok().and_then(|count| count.parse().ok()).unwrap_or(usual)
}

/// Every history of a range, on two threads.
fn run(first: u64, count: u64) {
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || (first..first + count).filter(|seed| seed % 2 == half).for_each(check));
        }
    });
}

fn check(seed: u64) {
    if history(seed, false).is_err() {
        let (why, trace) = history(seed, true).unwrap_err();
        panic!("seed {seed}: {why}\n{}", trace.join("\n"));
    }
}

fn history(seed: u64, trace: bool) -> Result<(), (String, Vec<String>)> {
    let mut world = World::new(seed, trace);
    let mut controllers = [Controller::new(&world), Controller::new(&world)];
    controllers.iter_mut().for_each(|controller| controller.watch(&mut world, 0));
    let played = (0..EVENTS)
        .try_for_each(|ordinal| event(&mut world, &mut controllers, ordinal))
        .and_then(|()| come_to_rest(&mut world, &mut controllers));
    played.map_err(|why| (why, world.trace.unwrap_or_default()))
}

fn event(world: &mut World, controllers: &mut [Controller; 2], ordinal: usize) -> Result<(), String> {
    let env = world.random.below(world.envs.len());
    if world.random.percent(2) {
        unseen(world, controllers, env, ordinal);
    }
    world.decide_elsewhere();
    let who = world.random.below(2);
    let controller = &mut controllers[who];
    match world.random.below(100) {
        0..12 => world.now += [1, 7, 30, 90, 300, 700, 4000][world.random.below(7)],
        12..20 => {
            let (images, at) = (world.build(), world.now);
            let author = if world.random.percent(80) { "dana" } else { "tina" };
            world.say(|| format!("built {images:?}"));
            world.commits.push(Commit { env: 0, images, promotion: None, author, at });
        }
        20..21 => {
            let (images, at) = (world.said(env, world.commits.len()), world.now);
            world.commits.push(Commit { env, images, promotion: None, author: "eve", at });
        }
        21..31 if world.envs[env].watching > 0 && !world.envs[env].unknown => world.sync(env),
        31..32 => world.falter(env),
        32..40 => world.heal(env),
        40..42 => world.scale(env),
        42..46 => world.break_down(env),
        46..74 => rounds(world, controller)?,
        74..79 => controller.write(world, false)?,
        79..84 => controller.watch(world, ordinal),
        84..86 => controller.lose_watch(world, env),
        86..88 => controller.die(world),
        _ => person(world)?,
    }
    Ok(())
}

/// Nobody watches while an environment breaks down and heals, or gets other pods.
fn unseen(world: &mut World, controllers: &mut [Controller; 2], env: usize, ordinal: usize) {
    controllers.iter_mut().for_each(|controller| controller.lose_watch(world, env));
    world.now += 10;
    if world.random.percent(50) {
        world.break_down(env);
        world.now += 10;
        world.heal(env);
    } else {
        world.scale(env);
    }
    controllers.iter_mut().for_each(|controller| controller.watch(world, ordinal));
}

/// A while in which a controller works as it usually does.
fn rounds(world: &mut World, controller: &mut Controller) -> Result<(), String> {
    for _ in 0..1 + world.random.below(3) {
        if world.random.percent(80) {
            controller.refresh(world);
        }
        controller.work(world, false)?;
        controller.answer(world, false);
        for _ in 0..world.random.below(5) {
            controller.write(world, false)?;
        }
    }
    Ok(())
}

/// Somebody asks for something, on what the page shows.
fn person(world: &mut World) -> Result<(), String> {
    let seen = world.observed();
    let env = world.random.below(world.envs.len());
    let environment = world.envs[env].name.clone();
    let user = *world.random.of(&["tina", "theo", "eve", "dana"]).unwrap();
    let groups = if matches!(user, "tina" | "theo") { vec!["leads".to_owned()] } else { Vec::new() };
    let promotions: Vec<String> = world.api.promotions.keys().cloned().collect();
    let releases: Vec<String> = world.api.releases.keys().cloned().collect();
    let verdict = if world.random.percent(85) { Verdict::Approve } else { Verdict::Reject };
    let vote = Vote { verdict, user, groups: &groups, reason: "" };
    let asked = match world.random.below(15) {
        0..6 => world.random.of(&promotions).map(|name| requests::decide(&seen, name, &vote)),
        6..8 => world.random.of(&releases).map(|name| requests::promote(&seen, &environment, name, user, "")),
        8 => requests::promotable(&seen, &environment)
            .map(|name| Ok(requests::promote(&seen, &environment, &name, user, "").expect("it was offered"))),
        9 => Some(requests::roll_back(&seen, &environment, user, "")),
        10 => Some(requests::unpin(&seen, &environment, user)),
        11 => world.random.of(&releases).map(|name| requests::lift(&seen, name, user, "")),
        // by kubectl, past the server
        12 => {
            let name = world.random.of(&releases).cloned();
            name.into_iter().for_each(|name| {
                let environments = world.api.releases[&name].status.environments.clone();
                let status = ReleaseStatus { environments, ..ReleaseStatus::default() };
                world.by_hand(Action::SetRelease { name, status });
            });
            None
        }
        13 => {
            if world.random.percent(30) {
                world.delete_records();
                return Ok(());
            }
            world.by_hand(Action::Pin { environment, pin: Pin { by: user.into(), ..Pin::default() } });
            None
        }
        _ => {
            let Some(name) = world.random.of(&promotions).cloned() else { return Ok(()) };
            let promotion = &world.api.promotions[&name];
            let (spec, mut status) = (&promotion.spec, promotion.status.clone());
            status.approvals.push(Approval {
                user: user.into(),
                groups: vec!["leads".into()],
                digest: spec.digest.clone(),
                environment: spec.environment.clone(),
                policy: promotion::gates::policy(world.api.pipeline.environment(&spec.environment).unwrap()),
                ..Approval::default()
            });
            world.by_hand(Action::SetPromotion { name, status });
            None
        }
    };
    realize(world, asked)
}

fn realize(world: &mut World, asked: Option<Result<Asked, Refused>>) -> Result<(), String> {
    let Some(asked) = asked else { return Ok(()) };
    match asked {
        Ok(asked) => {
            let mut view = world.api.clone();
            if asked.steps.iter().any(|step| world.is_distrusted(step)) {
                return Ok(()); // asked again, once that is set back
            }
            world.lifted(&asked.steps);
            // the process may end between two steps
            let cut = world.random.percent(10).then(|| world.random.below(asked.steps.len().max(1)));
            let steps = asked.steps.iter().take(cut.unwrap_or(usize::MAX));
            let done = steps.into_iter().all(|step| world.realize(step, &mut view));
            if done { Ok(()) } else { Err(format!("{} was refused by the API", asked.promotion)) }
        }
        Err(Refused(why)) if why.is_empty() => Err("refused without a reason".into()),
        Err(_) => Ok(()),
    }
}

/// Everybody works, nothing breaks, nobody asks: what can go on does, and the rest says why not.
fn come_to_rest(world: &mut World, controllers: &mut [Controller; 2]) -> Result<(), String> {
    controllers[1].lose_all_watches(world);
    let controller = &mut controllers[0];
    controller.watch(world, EVENTS);
    // what is tried again every two minutes shall not hide the end of what fails after fifteen
    for _ in 0..16 {
        let next = settle(world, controller)?;
        let Some(next) = next else { break };
        let whole = next.as_second() + i64::from(next.subsec_nanosecond() > 0);
        world.now = world.now.max(whole);
    }
    settle(world, controller)?;
    controller.refresh(world);
    oracle::at_rest(world, &controller.observe(world))
}

/// Plans until nothing is left to do now; when to look again.
fn settle(world: &mut World, controller: &mut Controller) -> Result<Option<Timestamp>, String> {
    for _ in 0..100 {
        (0..world.envs.len()).for_each(|env| {
            world.envs[env].unknown = false;
            world.sync(env);
            world.heal(env);
        });
        controller.refresh(world);
        let planned = controller.work(world, true)?;
        let answered = controller.answer(world, true);
        while controller.task.is_some() {
            controller.write(world, true)?;
        }
        if planned.steps.is_empty() && !answered {
            return Ok(planned.next);
        }
    }
    Err("it does not settle".into())
}
