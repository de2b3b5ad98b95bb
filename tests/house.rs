//! How the code is built: files that import each other form no circle, and files and functions stay small.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Limit of a file, without its tests.
const MAX_FILE_LINES: usize = 400;
/// Limit of a function, from its first line to its last brace.
const MAX_FUNCTION_LINES: usize = 50;

/// A file of code, without its tests and comments.
struct Source {
    /// The path inside the repository.
    name: String,
    /// The path of the module inside the crate: `controller::queue`. Empty for `lib.rs` and `main.rs`.
    module: Vec<String>,
    code: String,
}

/// The files of one crate, without those that are compiled only for tests.
fn sources(root: &str) -> Vec<Source> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let texts: Vec<_> = files(&repository.join(root))
        .into_iter()
        .map(|path| {
            (module(path.strip_prefix(repository.join(root)).unwrap()), fs::read_to_string(&path).unwrap(), path)
        })
        .collect();
    let only_for_tests = |(module, text, _): &(Vec<String>, String, PathBuf)| {
        let declared = text.split("#[cfg(test)]\nmod ").skip(1).filter_map(|rest| rest.split([';', ' ']).next());
        declared.map(|name| [module.as_slice(), &[name.to_owned()]].concat()).collect::<Vec<_>>()
    };
    let tests: Vec<_> = texts.iter().flat_map(only_for_tests).collect();
    let is_test = |module: &[String]| tests.iter().any(|test| module.starts_with(test));
    let mut sources: Vec<_> = texts
        .into_iter()
        .filter(|(module, ..)| !is_test(module))
        .map(|(module, text, path)| {
            let name = path.strip_prefix(repository).unwrap().to_str().unwrap().to_owned();
            Source { name, module, code: code(&text) }
        })
        .collect();
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    sources
}

/// The path of the module in a file.
fn module(file: &Path) -> Vec<String> {
    let mut module: Vec<_> = file.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of code").map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The text up to the tests at its end.
fn code(text: &str) -> String {
    let is_test = |at: &usize| {
        let module = text[*at..].lines().nth(2).unwrap_or_default();
        module.contains("mod ") && module.ends_with('{')
    };
    let starts = ["\n#[cfg(test)]\n", "\n#[cfg(all(test"].into_iter().flat_map(|start| text.match_indices(start));
    let start = starts.map(|(at, _)| at).filter(is_test).min();
    text[..start.map_or(text.len(), |start| start + 1)].to_owned()
}

/// All crates with their files.
fn crates() -> Vec<Vec<Source>> {
    let members = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("crates")).expect("the folder of crates");
    let members = members.map(|entry| format!("crates/{}/src", entry.unwrap().file_name().to_str().unwrap()));
    members.chain(["src".to_owned()]).map(|root| sources(&root)).collect()
}

/// The code without comments, so that a link in a doc comment is no import.
fn without_comments(code: &str) -> String {
    let lines = code.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The paths of all `use` declarations, one for each imported name: `super::{a, b::c}` is two.
fn imports(code: &str) -> Vec<Vec<String>> {
    let declarations = code.split(';').filter_map(|statement| {
        let (before, tree) = statement.rsplit_once("use ")?;
        // Not the end of a longer word, and no word in a text.
        let is_word = before.is_empty() || before.ends_with(['\n', ' ', ')']);
        let line = before.rsplit('\n').next().unwrap_or_default().trim();
        (is_word && (line.is_empty() || line.starts_with("pub"))).then_some(tree)
    });
    declarations.flat_map(|tree| expand(&tree.split_whitespace().collect::<Vec<_>>().join(" "))).collect()
}

/// The paths that the code names without a `use`: `super::catalog::ALL`.
fn inline_paths(code: &str) -> Vec<Vec<String>> {
    // A visibility is no import.
    let code = code.replace("pub(in crate::", "pub(in ");
    let declarations: Vec<_> = code.split_inclusive(';').map(|statement| statement.rsplit_once("use ")).collect();
    let code: String = code
        .split_inclusive(';')
        .zip(declarations)
        .map(|(statement, declaration)| declaration.map_or(statement, |(before, _)| before))
        .collect();
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let words = code.split(|letter| !is_name(letter)).map(|word| word.trim_end_matches(':'));
    let paths = words.filter(|word| word.starts_with("crate::") || word.starts_with("super::"));
    paths.map(|path| path.split("::").map(str::to_owned).collect()).collect()
}

/// The modules that a file declares. A file stands above its children, so a child must not import from the file.
fn children(code: &str) -> Vec<Vec<String>> {
    let code = code.replace("#[cfg(test)]\nmod ", "");
    let declared = code.lines().filter_map(|line| line.strip_suffix(';')?.split_once("mod "));
    declared.map(|(_, name)| vec![name.to_owned()]).collect()
}

/// The paths in a tree of imports.
fn expand(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some((prefix, rest)) = tree.split_once('{') else {
        let path = tree.split_once(" as ").map_or(tree, |(path, _)| path);
        return vec![path.split("::").map(str::to_owned).collect()];
    };
    let prefix: Vec<_> = prefix.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let inside = rest.rsplit_once('}').expect("a closing brace").0;
    let branches = split(inside).into_iter().flat_map(expand);
    branches
        .map(|branch| prefix.iter().cloned().chain(branch.into_iter().filter(|part| part != "self")).collect())
        .collect()
}

/// Splits at the commas that are inside no braces.
fn split(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

/// The imports between the files of one crate.
fn graph(sources: &[Source]) -> BTreeMap<&str, BTreeSet<&str>> {
    let modules: BTreeMap<&[String], &Source> = sources
        .iter()
        .filter(|source| !source.name.ends_with("main.rs"))
        .map(|source| (&source.module[..], source))
        .collect();
    let edges = |source: &Source| {
        let code = without_comments(&source.code);
        let paths = imports(&code).into_iter().chain(inline_paths(&code)).chain(children(&code));
        let targets = paths.filter_map(|path| target(&modules, &source.module, path));
        targets.filter(|target| *target != source.name).collect()
    };
    sources.iter().map(|source| (source.name.as_str(), edges(source))).collect()
}

/// The file that defines what a path names. A name that a module only hands on belongs to the file that defines it.
fn target<'a>(modules: &BTreeMap<&[String], &'a Source>, from: &[String], path: Vec<String>) -> Option<&'a str> {
    let mut path = absolute(modules, from, path)?;
    loop {
        let depth = (0..=path.len()).rev().find(|depth| modules.contains_key(&path[..*depth]))?;
        let source = modules[&path[..depth]];
        let Some(name) = path.get(depth) else { return Some(&source.name) };
        let code = without_comments(&source.code);
        let handed_on = imports(&code).into_iter().find(|import| import.last() == Some(name) && import.len() > 1);
        match handed_on.and_then(|import| absolute(modules, &source.module, import)) {
            Some(next) if next != path => path = next,
            _ => return Some(&source.name),
        }
    }
}

/// The path from the root of the crate. None for another crate.
fn absolute(modules: &BTreeMap<&[String], &Source>, from: &[String], mut path: Vec<String>) -> Option<Vec<String>> {
    let mut base = from.to_vec();
    match path.first()?.as_str() {
        "crate" => base.clear(),
        "self" => {}
        "super" => drop(base.pop()),
        child => {
            base.push(child.to_owned());
            modules.contains_key(&base[..]).then_some(())?;
        }
    }
    path.remove(0);
    while path.first().is_some_and(|part| part == "super") {
        base.pop();
        path.remove(0);
    }
    base.extend(path);
    Some(base)
}

/// A circle of imports, if there is one: each file imports the next, and the last is the first.
fn circle<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Option<Vec<&'a str>> {
    fn visit<'a>(
        graph: &BTreeMap<&'a str, BTreeSet<&'a str>>,
        file: &'a str,
        path: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<&'a str>> {
        if let Some(start) = path.iter().position(|known| *known == file) {
            return Some(path[start..].iter().copied().chain([file]).collect());
        }
        if !done.insert(file) {
            return None;
        }
        path.push(file);
        let found = graph.get(file).into_iter().flatten().find_map(|next| visit(graph, next, path, done));
        path.pop();
        found
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|file| visit(graph, file, &mut Vec::new(), &mut done))
}

/// The functions of a file with their lengths in lines. The code is formatted: the last brace of a function stands below
/// its first letter.
fn functions(code: &str) -> Vec<(String, usize)> {
    let lines: Vec<_> = code.lines().collect();
    let begins = lines.iter().enumerate().filter_map(|(at, line)| {
        let trimmed = line.trim_start();
        let (before, after) = trimmed.split_once("fn ")?;
        let is_function = before
            .split(' ')
            .all(|word| word.is_empty() || ["async", "const"].contains(&word) || word.starts_with("pub"));
        let name = after.split(['(', '<']).next()?.to_owned();
        is_function.then_some((at, name, line.len() - trimmed.len()))
    });
    begins
        .filter_map(|(at, name, indent)| {
            let end = lines[at..].iter().position(|line| {
                line.len() - line.trim_start().len() == indent && (line.ends_with('}') || line.ends_with(';'))
            })?;
            Some((name, end + 1))
        })
        .collect()
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for sources in crates() {
        let graph = graph(&sources);
        assert!(graph.values().map(BTreeSet::len).sum::<usize>() > sources.len(), "the imports are found: {graph:#?}");
        let circle = circle(&graph);
        assert!(circle.is_none(), "each of these files imports the next: {circle:#?}");
    }
}

/// The order of the core's modules is the list in the documentation of its `lib.rs`.
#[test]
fn modules_of_the_core_import_only_modules_below_them() {
    let root = "crates/core/src";
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(root).join("lib.rs")).unwrap();
    let listed = lib.lines().filter_map(|line| line.strip_prefix("//! - [`")?.split_once("`]"));
    let order: Vec<_> = listed.map(|(module, _)| module.to_owned()).collect();
    let place = |module: &String| order.iter().position(|listed| listed == module);
    let sources = sources(root);
    let mut upwards = Vec::new();
    for source in sources.iter().filter(|source| !source.module.is_empty()) {
        let own =
            place(&source.module[0]).unwrap_or_else(|| panic!("{} is missing in the list of lib.rs", source.name));
        let code = without_comments(&source.code);
        let paths = imports(&code).into_iter().chain(inline_paths(&code));
        let named = paths.filter(|path| path[0] == "crate").filter_map(|path| path.into_iter().nth(1));
        upwards
            .extend(named.filter(|module| place(module).is_some_and(|place| place < own)).map(|it| (&source.name, it)));
    }
    assert!(order.len() > 10 && upwards.is_empty(), "these import a module above their own: {upwards:?}");
}

/// What the standard library offers as well as a crate: files, the network, the clock. And secrets, which the core need not
/// know to decide.
#[test]
fn the_core_reads_no_clock_and_no_file_and_knows_no_secret() {
    let refused =
        ["std::fs", "std::net", "std::env", "std::process", "std::thread", "::now()", "Credentials", "Zeroizing"];
    let mut found = Vec::new();
    for source in sources("crates/core/src") {
        let code = without_comments(&source.code);
        found
            .extend(refused.iter().filter(|word| code.contains(**word)).map(|word| format!("{}: {word}", source.name)));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn files_and_functions_are_small() {
    let mut large = Vec::new();
    for source in crates().into_iter().flatten() {
        let lines = source.code.lines().count();
        if lines > MAX_FILE_LINES {
            large.push(format!("{}: {lines} lines", source.name));
        }
        let functions = functions(&source.code).into_iter().filter(|(_, lines)| *lines > MAX_FUNCTION_LINES);
        large.extend(functions.map(|(name, lines)| format!("{}: `{name}` has {lines} lines", source.name)));
    }
    assert!(large.is_empty(), "{large:#?}");
}

#[test]
fn a_circle_is_noticed() {
    let source = |name: &str, code: &str| Source {
        name: format!("src/{name}.rs"),
        module: module(Path::new(&format!("{name}.rs"))),
        code: code.to_owned(),
    };
    let mut sources = [
        source("lib", "mod a;\nmod b;\nmod c;\npub use a::A;\n"),
        source("a", "use crate::{b::B,\n    c as other};\n"),
        source("b", "//! use crate::c;\nuse std::fmt;\nuse super::c;\n"),
        source("c", "fn f() -> super::A {}\n"),
    ];
    assert_eq!(circle(&graph(&sources)), Some(vec!["src/a.rs", "src/b.rs", "src/c.rs", "src/a.rs"]));
    sources[3].code.clear();
    assert_eq!(circle(&graph(&sources)), None);
}
