//! Tables as wide as the terminal.

use comfy_table::{Cell, Color, Table, presets};
use jiff::Timestamp;
use object::{printable, short_hash};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::{or_dash, text};
use crate::settings;

/// A column: its title, what it says of a row, and when it is shown.
pub(crate) struct Column {
    title: &'static str,
    says: Says,
    room: Room,
}

enum Says {
    Text(fn(&Value) -> String),
    /// How long ago the moment at this JSON pointer was.
    Age(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// Always; cut where there is no room, unless it comes first.
    Always,
    /// Where there is room; of several the highest rank gives way first.
    Spare(u8),
    /// Where it says something of a row.
    Said,
    /// With `-o wide`.
    Wide,
}

pub(crate) const fn column(title: &'static str, value: fn(&Value) -> String) -> Column {
    Column { title, says: Says::Text(value), room: Room::Always }
}

/// How long ago: the moment itself is in the data.
pub(crate) const fn age(title: &'static str, pointer: &'static str) -> Column {
    Column { title, says: Says::Age(pointer), room: Room::Always }
}

pub(crate) const fn wide(title: &'static str, value: fn(&Value) -> String) -> Column {
    Column { title, says: Says::Text(value), room: Room::Wide }
}

impl Column {
    /// It gives way where there is no room: the highest rank first.
    pub(crate) const fn spare(self, rank: u8) -> Self {
        Self { room: Room::Spare(rank), ..self }
    }

    /// It is there where it says something of a row: of what is wrong, mostly.
    pub(crate) const fn if_said(self) -> Self {
        Self { room: Room::Said, ..self }
    }
}

/// How a table is shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sight {
    /// Every column, nothing shortened.
    pub(crate) wide: bool,
    /// Characters of a line; without them as many as it takes.
    pub(crate) width: Option<usize>,
    /// What ages count from.
    pub(crate) now: Option<Timestamp>,
}

/// Between columns.
const GAP: usize = 2;
/// A cell is not cut below this.
const LEAST: usize = 10;

pub(crate) fn table(items: &[Value], columns: &[Column], sight: &Sight) -> Table {
    let shown = columns.iter().filter(|column| sight.wide || column.room != Room::Wide);
    let mut shown: Vec<Shown> = shown.map(|column| Shown::of(column, items, sight)).collect();
    shown.retain(|column| column.room != Room::Said || !column.says_nothing());
    if let Some(width) = sight.width.filter(|_| !sight.wide) {
        fit(&mut shown, width);
    }
    let mut table = plain();
    table.set_header(shown.iter().map(|column| column.title));
    for row in 0..items.len() {
        table.add_row(shown.iter().map(|column| cell(&cut(&column.cells[row], column.width))));
    }
    for column in table.column_iter_mut() {
        let gap = u16::try_from(GAP).unwrap_or_default();
        column.set_padding((0, if column.index + 1 == shown.len() { 0 } else { gap }));
    }
    table
}

struct Shown {
    title: &'static str,
    cells: Vec<String>,
    room: Room,
    /// Of the widest cell, or what it is cut to.
    width: usize,
}

impl Shown {
    fn of(column: &Column, items: &[Value], sight: &Sight) -> Self {
        let cells: Vec<String> =
            items.iter().map(|item| printable(&column.says.of(item, sight).replace('\n', " ")).into_owned()).collect();
        let width = cells.iter().map(|cell| cell.width()).chain([column.title.width()]).max().unwrap_or_default();
        Self { title: column.title, cells, room: column.room, width }
    }

    fn says_nothing(&self) -> bool {
        self.cells.iter().all(|cell| matches!(cell.as_str(), "" | "-"))
    }

    /// What it may be cut to.
    fn least(&self) -> usize {
        self.title.width().max(LEAST).min(self.width)
    }

    /// Who gives way first.
    fn rank(&self) -> Option<u16> {
        match self.room {
            Room::Always | Room::Said => self.says_nothing().then_some(u16::MAX),
            Room::Spare(rank) => Some(u16::from(rank) + if self.says_nothing() { 256 } else { 0 }),
            Room::Wide => None,
        }
    }
}

impl Says {
    fn of(&self, item: &Value, sight: &Sight) -> String {
        match self {
            Self::Text(value) if sight.wide => value(item),
            Self::Text(value) => short(&value(item)),
            Self::Age(pointer) => {
                let moment: Option<Timestamp> = text(item, pointer).and_then(|text| text.parse().ok());
                match (moment, sight.now) {
                    (Some(moment), Some(now)) => duration(now.as_second() - moment.as_second()),
                    _ => or_dash(item, pointer),
                }
            }
        }
    }
}

/// Leaves columns out, then cuts cells, the widest first, until a line has room. The first column names the row: it is
/// neither left out nor cut.
fn fit(columns: &mut Vec<Shown>, room: usize) {
    let total = |all: &[Shown]| all.iter().map(|column| column.width + GAP).sum::<usize>().saturating_sub(GAP);
    while total(columns) > room {
        let ranked = columns.iter().enumerate().skip(1).filter_map(|(at, column)| Some((column.rank()?, at)));
        let Some((_, at)) = ranked.max() else { break };
        columns.remove(at);
    }
    while total(columns) > room {
        let excess = total(columns) - room;
        let cuttable = columns.iter_mut().skip(1).filter(|column| column.width > column.least());
        let Some(widest) = cuttable.max_by_key(|column| column.width) else { break };
        widest.width = widest.width.saturating_sub(excess).max(widest.least());
    }
}

/// At most so many characters.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if kept.width() + c.to_string().width() + 1 > width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

/// A text with its digests and commit hashes cut.
fn short(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let (before, word) = rest.split_at(start);
        let end = word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        out.push_str(before);
        out.push_str(short_hash(word));
        rest = after;
    }
    out + rest
}

/// As kubectl writes how long ago something was: two units at most, the smaller one only while it matters.
fn duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |big: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{small_unit}") }
    };
    match seconds {
        // what has just happened may be ahead of a clock that says seconds only
        ..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

/// A table without lines, as kubectl prints them.
fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if !settings::colour() {
        table.force_no_tty();
    }
    table
}

fn cell(text: &str) -> Cell {
    let colour = match text {
        "Synced" | "Healthy" | "Successful" | "Succeeded" | "Verified" | "Passed" => Some(Color::Green),
        "OutOfSync" | "Missing" | "Suspended" | "Waiting" | "Soaking" => Some(Color::Yellow),
        "Degraded" | "Failed" | "Error" | "Rejected" | "Unknown" => Some(Color::Red),
        "Progressing" | "Running" | "Deploying" | "Converging" | "Converged" => Some(Color::Blue),
        _ => None,
    };
    match colour {
        Some(colour) if settings::colour() => Cell::new(text).fg(colour),
        _ => Cell::new(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[
        column("NAME", |item| or_dash(item, "/name")),
        column("PLACE", |item| or_dash(item, "/place")).spare(2),
        column("COMMIT", |item| or_dash(item, "/commit")).spare(1),
        column("PROBLEM", |item| or_dash(item, "/problem")),
        age("AGE", "/since"),
        wide("OWNER", |item| or_dash(item, "/owner")),
    ];

    fn item() -> Value {
        json!({ "name": "checkout-service-production", "place": "production", "commit": "4f2a9c1e7b".repeat(4),
            "problem": "the tag does not mean the digest any more that it meant when the release was made",
            "since": "2026-11-30T16:00:00Z", "owner": "dana" })
    }

    fn shown(items: &[Value], width: Option<usize>, wide: bool) -> Vec<String> {
        let now = "2026-11-30T16:03:05Z".parse().ok();
        let table = table(items, COLUMNS, &Sight { wide, width, now }).to_string();
        table.lines().map(str::to_owned).collect()
    }

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        for width in [60, 80, 100, 120, 160] {
            let lines = shown(&[item(), json!({ "name": "web" })], Some(width), false);
            let longest = lines.iter().map(|line| line.width()).max().unwrap();
            assert!(longest <= width, "{width}: {lines:#?}");
            assert!(lines[1].starts_with("checkout-service-production "), "{lines:?}");
        }
    }

    #[test]
    fn columns_give_way_by_rank_and_cells_are_cut() {
        let titles = |width| shown(&[item()], Some(width), false)[0].split_whitespace().map(str::to_owned).collect();
        let check = |width: usize, expected: &[&str]| {
            let found: Vec<String> = titles(width);
            assert_eq!(found, expected, "{width}");
        };
        check(200, &["NAME", "PLACE", "COMMIT", "PROBLEM", "AGE"]);
        check(130, &["NAME", "COMMIT", "PROBLEM", "AGE"]);
        check(80, &["NAME", "PROBLEM", "AGE"]);
        assert!(shown(&[item()], Some(80), false)[1].contains('…'));
        // what says nothing goes first
        let calm = json!({ "name": "web", "place": "dev", "commit": "abc", "since": "2026-11-30T16:00:00Z" });
        let line = &shown(&[calm], Some(25), false)[0];
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["NAME", "PLACE", "COMMIT", "AGE"]);
    }

    #[test]
    fn what_is_no_terminal_is_fitted_to_no_width() {
        let lines = shown(&[item()], None, false);
        assert!(lines[1].contains("when the release was made  3m5s"), "{lines:?}");
        assert!(lines[1].contains(" 4f2a9c1e7b  "), "{lines:?}");
        assert!(!lines[0].contains("OWNER"));
        let lines = shown(&[item()], Some(80), true);
        assert!(lines[0].ends_with("OWNER") && lines[1].contains(&"4f2a9c1e7b".repeat(4)), "{lines:?}");
    }

    #[test]
    fn what_is_wrong_has_a_column_where_something_is() {
        let columns = [
            column("NAME", |item| or_dash(item, "/name")),
            column("PROBLEM", |item| or_dash(item, "/problem")).if_said(),
        ];
        let title =
            |items: &[Value]| table(items, &columns, &Sight::default()).to_string().lines().next().map(str::to_owned);
        assert_eq!(title(&[json!({ "name": "web" }), item()]).unwrap().split_whitespace().last(), Some("PROBLEM"));
        assert_eq!(title(&[json!({ "name": "web" })]).unwrap().trim_end(), "NAME");
    }

    #[test]
    fn hashes_are_cut_and_nothing_else() {
        let (commit, digest) = ("4f2a9c1e7b".repeat(4), "ab".repeat(32));
        let check = |text: String, expected: &str| assert_eq!(short(&text), expected, "{text}");
        check(format!("dev={commit} staging=v1"), "dev=4f2a9c1e7b staging=v1");
        check(format!("sha256:{digest}"), "sha256:abababababab");
        check(format!("shop:{commit}@sha256:{digest}"), "shop:4f2a9c1e7b@sha256:abababababab");
        check("1.21.6-alpine + ü".to_owned(), "1.21.6-alpine + ü");
        check("z".repeat(40), &"z".repeat(40));
    }

    #[test]
    fn ages_are_written_as_kubectl_writes_them() {
        for (seconds, expected) in [
            (-3, "0s"),
            (119, "119s"),
            (125, "2m5s"),
            (600, "10m"),
            (12_000, "3h20m"),
            (172_800, "2d"),
            (8_640_000, "100d"),
        ] {
            assert_eq!(duration(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn what_a_cell_says_is_for_people_and_not_for_the_terminal() {
        let shown = shown(&[json!({ "name": "web\u{1b}]52;c;ZXZpbA==\u{7}\u{202e}" })], None, true).concat();
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']) && shown.contains("web\\u001b]52"), "{shown:?}");
    }
}
