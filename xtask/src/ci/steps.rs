//! Which steps there are, and beside which others they may run.

/// One step: its name, and the words after `cargo`.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) words: &'static [&'static str],
    /// Real processes have to be in time for something: when it fails, it runs once more.
    pub(super) is_timed: bool,
}

const fn step(name: &'static str, words: &'static [&'static str]) -> Step {
    Step { name, words, is_timed: false }
}

const fn timed(name: &'static str, words: &'static [&'static str]) -> Step {
    Step { name, words, is_timed: true }
}

/// One after the other, with nothing beside them; fast ones first.
pub(super) const ALONE: &[Step] = &[
    step("tidy", &["xtask", "tidy"]),
    step("format", &["fmt", "--all", "--check"]),
    step("lints", &["clippy", "--quiet", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    timed("tests", &["test", "--workspace", "--locked", "--no-fail-fast"]),
    // The static program: all later steps test and measure what goes into the image.
    step("build", &["xtask", "image", "--context-only"]),
    step("licences", &["xtask", "deny"]),
    step("compat", &["xtask", "compat"]),
    step("golden", &["xtask", "golden"]),
    timed("counter", &["xtask", "counter"]),
    step("crash", &["xtask", "crash"]),
    timed("documents", &["xtask", "docs"]),
    timed("conform", &["xtask", "conform"]),
    timed(
        "conform 3 nodes",
        &["xtask", "conform", "--nodes", "3", "src::cluster", "client", "src::scan", "src::query"],
    ),
    timed("clients python", &["xtask", "clients", "--only", "python", "--nodes", "3"]),
    timed("clients c", &["xtask", "clients", "--only", "c", "--nodes", "3"]),
    timed("drills", &["xtask", "drill"]),
    timed("web staleness", &["xtask", "web", "--only", "staleness"]),
];

/// Steps that wait most of their time: for engines, browsers, intervals.
pub(super) const WAITING: &[Step] = &[
    step("manifests", &["xtask", "manifests"]),
    timed("web rest", &["xtask", "web", "--only", "rest"]),
    timed("web live", &["xtask", "web", "--only", "live"]),
    timed("web client", &["xtask", "web", "--only", "client"]),
    timed("web values", &["xtask", "web", "--only", "values"]),
    timed("web subscriptions", &["xtask", "web", "--only", "subscriptions"]),
    timed("web console", &["xtask", "web", "--only", "console"]),
    timed("web schema", &["xtask", "web", "--only", "schema", "--seconds", "20"]),
    timed("voyage", &["xtask", "voyage"]),
];

/// Steps that only compute. They run meanwhile, on what the waiting ones leave of the processors.
pub(super) const COMPUTING: &[Step] = &[
    step("sql tests", &["xtask", "sql", "--part", "tests"]),
    step("sql program", &["xtask", "sql", "--part", "build"]),
    step("sim canaries", &["xtask", "sim", "canaries"]),
    step("sim", &["xtask", "sim", "--seeds", "200"]),
    step("fuzz", &["xtask", "fuzz", "--seconds", "10"]),
];

/// At the end, alone again; what is longest and finds least is last. Chance begins at the same place each time: what it finds
/// anew is no verdict over a commit.
pub(super) const LAST: &[Step] = &[
    step("sql", &["xtask", "sql", "--part", "cases", "--part", "moving", "--part", "clients"]),
    step("bench records", &["xtask", "bench", "records", "--seconds", "1", "--rounds", "1"]),
    step("bench model", &["xtask", "bench", "model", "--records", "100000", "--seconds", "1"]),
    step("sql logic", &["xtask", "sql", "--part", "logic", "--seconds", "300", "--seed", "1795345496"]),
    step("bench index", &["xtask", "bench", "index", "--records", "300000"]),
];
