//! The text of dates, times and durations, which a spreadsheet holds as numbers of days.

use calamine::{ExcelDateTime, ExcelDateTimeType};

use super::decimal::push_number;

/// Appends a date as `2026-01-31`, with ` 12:30:00` when it has a time of day; a time alone as `12:30:00`.
pub fn push_date(serial: f64, is_1904: bool, out: &mut String) {
    /// The day after 9999-12-31, the last that Excel knows.
    const END: f64 = 2_958_466.0;
    if !(0.0..END).contains(&serial) {
        // Excel shows only #### for a number that is not a date; the number itself is more useful.
        push_float(serial, out);
        return;
    }
    let date = ExcelDateTime::new(serial, ExcelDateTimeType::DateTime, is_1904);
    let (year, month, day, hour, minute, second, milli) = date.to_ymd_hms_milli();
    // Day 0 is not a date: the number is only a time of day.
    let has_date = serial >= 1.0;
    let has_time = !has_date || (hour, minute, second, milli) != (0, 0, 0, 0);
    if has_date {
        out.push_str(&format!("{year:04}-{month:02}-{day:02}"));
    }
    if has_date && has_time {
        out.push(' ');
    }
    if has_time {
        push_clock(u64::from(hour), u64::from(minute), u64::from(second), u64::from(milli), out);
    }
}

/// Appends a duration, whose hours may exceed 24: `36:30:00`.
pub fn push_duration(days: f64, out: &mut String) {
    /// More milliseconds than three thousand years have, which is not a duration.
    const END: f64 = 1e14;
    #[expect(clippy::float_arithmetic, reason = "Excel stores a duration as a fraction of a day")]
    let millis = (days * 86_400_000.0).round();
    if !millis.is_finite() || millis.abs() >= END {
        push_float(days, out);
        return;
    }
    if millis < 0.0 {
        out.push('-');
    }
    // The number is whole and below the end, so the cast changes nothing.
    let millis = millis.abs() as u64;
    push_clock(millis / 3_600_000, millis / 60_000 % 60, millis / 1_000 % 60, millis % 1_000, out);
}

/// Appends a number that a library has parsed.
pub fn push_float(number: f64, out: &mut String) {
    let text = number.to_string();
    if !push_number(text.as_bytes(), out) {
        out.push_str(&text);
    }
}

/// Appends a time as `12:30:00`, with milliseconds when there are some.
pub fn push_clock(hour: u64, minute: u64, second: u64, milli: u64, out: &mut String) {
    out.push_str(&format!("{hour:02}:{minute:02}:{second:02}"));
    if milli > 0 {
        out.push_str(&format!(".{milli:03}"));
    }
}

/// Appends a date that the workbook holds as ISO 8601 text, in the form of the other dates.
pub fn push_iso(text: &str, out: &mut String) {
    let Some((date, time)) = text.split_once('T').filter(|(date, _)| date.len() == "2026-01-31".len()) else {
        out.push_str(text);
        return;
    };
    let time = time.strip_suffix('Z').unwrap_or(time);
    let time = time.strip_suffix(".000").unwrap_or(time);
    out.push_str(date);
    if !matches!(time, "" | "00:00" | "00:00:00") {
        out.push(' ');
        out.push_str(time);
    }
}
