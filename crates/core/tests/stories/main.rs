//! Stories: scripts that play reconciles, with the output of each command written below it.
//!
//! A line that begins with `>` is a command; [`world`] lists them. The lines below are its output, and `#` begins a
//! comment. The test plays each story and compares. To write the output anew after a change:
//! `WAFLOWS_STORIES=write cargo test -p waflows-core --test stories`, and read the difference.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod meta;
mod objects;
mod world;

use std::fs;
use std::path::Path;

use world::World;

/// The story with the output of today's code.
fn play(story: &str) -> String {
    let mut world = World::default();
    let mut played = String::new();
    for line in story.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            played += &format!("{line}\n");
            for said in world.run(command) {
                played += &format!("  {said}\n");
            }
        } else if line.is_empty() || line.starts_with('#') {
            played += &format!("{line}\n");
        }
    }
    played
}

#[test]
fn every_story_ends_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let writes = std::env::var("WAFLOWS_STORIES").is_ok_and(|value| value == "write");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    assert!(paths.len() >= 9, "stories are missing: {paths:?}");
    for path in paths {
        let story = fs::read_to_string(&path).unwrap();
        let played = play(&story);
        if writes {
            fs::write(&path, &played).unwrap();
        }
        assert!(played == story || writes, "{} goes another way now:\n{played}", path.display());
    }
}
