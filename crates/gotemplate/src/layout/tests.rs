use super::*;
use crate::value::{Str, Time};

/// 2006-01-02T15:04:05.123456789-07:00
fn sample() -> Time {
    Time { unix_seconds: 1_136_239_445, nanoseconds: 123_456_789, offset: -7 * 3600, zone: Str::from("MST") }
}

#[test]
fn writes() {
    let cases = [
        ("Mon Jan _2 15:04:05 2006", "Mon Jan  2 15:04:05 2006"),
        ("2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.123456789-07:00"),
        ("20060102150405", "20060102150405"),
        ("3:04PM", "3:04PM"),
        ("Monday, January 2, 06 pm", "Monday, January 2, 06 pm"),
        ("002 __2 _2006", "002   2 _2006"),
        ("05.000 05,00 5.9999", "05.123 05,12 5.1234"),
        ("-07 -0700 -07:00 -070000 -07:00:00 MST", "-07 -0700 -07:00 -070000 -07:00:00 MST"),
        ("Month Januar", "Month Januar"),
        ("1.05", "1.05"),
    ];
    for (layout, want) in cases {
        assert_eq!(format(&sample(), layout), want, "{layout}");
    }
    assert_eq!(format(&Time::utc(0, 0), STRING_LAYOUT), "1970-01-01 00:00:00 +0000 UTC");
    assert_eq!(format(&Time::utc(-62_135_596_800, 0), "2006-01-02T15:04:05.999999999Z07:00"), "0001-01-01T00:00:00Z");
}

#[test]
fn reads() {
    let cases = [
        ("2006-01-02", "2020-02-29", "2020-02-29 00:00:00 +0000 UTC"),
        ("2006-01-02T15:04:05Z07:00", "2020-01-01T10:00:00.5+05:30", "2020-01-01 10:00:00.5 +0530 +0530"),
        ("02 Jan 06 15:04 MST", "01 feb 70 10:00 CET", "1970-02-01 10:00:00 +0000 CET"),
        ("15:04 MST", "10:00 GMT+3", "0000-01-01 13:00:00 +0300 GMT+3"),
        ("2006 002", "2020 060", "2020-02-29 00:00:00 +0000 UTC"),
        ("3PM", "12AM", "0000-01-01 00:00:00 +0000 UTC"),
        ("2006-01-02", "2020-02-30", "error"),
        ("2006-01-02", "2020-1-2", "error"),
        ("2006-01-02", "2020-01-02x", "error"),
        ("15", "24", "error"),
    ];
    for (layout, value, want) in cases {
        let got = parse(layout, value).map_or_else(|_| "error".to_owned(), |time| format(&time, STRING_LAYOUT));
        assert_eq!(got, want, "{layout} {value}");
    }
}

#[test]
fn knows_zones() {
    let at = |name: &str| in_zone(&Time::utc(1_577_934_245, 0), name).map(|time| format(&time, "2006-01-02 15:04 MST"));
    assert_eq!(at("America/New_York").as_deref(), Some("2020-01-01 22:04 EST"));
    assert_eq!(at("Asia/Kolkata").as_deref(), Some("2020-01-02 08:34 IST"));
    assert_eq!(at("Local").as_deref(), Some("2020-01-02 03:04 UTC"));
    assert_eq!(at("america/new_york"), None);
    assert_eq!(at("Nowhere/Bad"), None);
}
