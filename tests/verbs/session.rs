//! Records docs/session.svg: what a person types in a bad moment, and what the verbs answer. The answers are those of a
//! real run. `WAFLOWS_GENERATE=1` writes the picture anew.

use std::fmt::Write as _;

use harness::World;

use crate::scene::{NUMBERS, assert_file, steady, verb_in, world_in};

const WIDTH: usize = 102;
const LETTER: f32 = 8.4;
const LINE: usize = 19;
const ALARM: &str = "\x1b[1;31m";
const END: &str = "\x1b[0m";

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_recorded() {
    let world = world_in("shop").await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..2]).await;
    world.apply("support", World::spec(&["1", NUMBERS[2]])).await.unwrap();
    world.wait_reason("support", "NumberRefused").await;

    let mut session = String::new();
    run(&world, &mut session, "status");
    run(&world, &mut session, "sync support --wait");
    note(&mut session, "# the wrong ID is corrected in the manifest, and applied");
    world.apply("support", World::spec(&[NUMBERS[3], NUMBERS[2]])).await.unwrap();
    run(&world, &mut session, "wait support");
    run(&world, &mut session, "status");
    assert_file("docs/session.svg", &picture(&session));
}

/// Runs a verb, and adds it with its answer.
fn run(world: &World, session: &mut String, words: &str) {
    let arguments: Vec<_> = words.split(' ').chain(["--color", "always"]).collect();
    let printed = verb_in(world, &arguments).stdout;
    let printed = printed.split("\nOperator ").next().unwrap_or_default().to_owned();
    note(session, &format!("$ kubectl waflows {words}"));
    writeln!(session, "{}\n", steady(&(printed + "\n")).trim_end()).unwrap();
}

fn note(session: &mut String, text: &str) {
    writeln!(session, "{text}").unwrap();
}

/// The text as a picture of a terminal.
fn picture(session: &str) -> String {
    let lines: Vec<_> = session.trim_end().lines().collect();
    let (width, height) = (WIDTH as f32 * LETTER, (lines.len() + 2) * LINE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height}\" font-family=\"ui-monospace, \
         SFMono-Regular, Menlo, Consolas, monospace\" font-size=\"14\" fill=\"#e6e6e6\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1e1e2e\"/>\n"
    );
    for (number, line) in lines.iter().enumerate() {
        let y = (number + 2) * LINE - LINE / 2;
        let colour = match line {
            line if line.contains(ALARM) => " fill=\"#ff6b6b\" font-weight=\"bold\"",
            line if line.starts_with('$') => " fill=\"#8be9a0\"",
            line if line.starts_with('#') => " fill=\"#9a9ab0\"",
            _ => "",
        };
        let text = line.replace(ALARM, "").replace(END, "");
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        writeln!(svg, "<text x=\"12\" y=\"{y}\" xml:space=\"preserve\"{colour}>{text}</text>").unwrap();
    }
    svg + "</svg>\n"
}
