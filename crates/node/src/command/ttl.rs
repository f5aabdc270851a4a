//! From the TTL of a request to a void time. Source: `guide/protocol.md` part 3.3.

use shipload_wire::code::ResultCode;

/// The largest TTL in seconds: ten years.
const TTL_MAX_S: u32 = 315_360_000;
/// Never expires.
const NEVER: u32 = u32::MAX;
/// Keep what the record has.
const KEEP: u32 = u32::MAX - 1;

/// The settings of a namespace that decide about void times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TtlRules {
    /// `default-ttl` in seconds, 0 for never.
    pub(crate) default_ttl_s: u32,
    /// Whether records with a TTL are accepted: an expiry pass runs, or they are allowed without one.
    pub(crate) ttl_allowed: bool,
    /// `apply-ttl-reductions`: whether an update may bring the void time forward.
    pub(crate) reductions: bool,
}

impl TtlRules {
    /// The void time of a written record, 0 for never. `present`: the void time of the record that is updated.
    ///
    /// # Errors
    /// 4 when the TTL is out of range, 22 when the namespace takes no records that expire.
    pub(crate) fn void_time(&self, ttl: u32, present: Option<u32>, now_s: u32) -> Result<u32, ResultCode> {
        let ttl_s = match (ttl, present) {
            (NEVER, _) => 0,
            (KEEP, Some(void_time)) => return Ok(void_time),
            (0 | KEEP, _) => self.default_ttl_s,
            (1..=TTL_MAX_S, _) => ttl,
            _ => return Err(ResultCode::Parameter),
        };
        match ttl_s {
            0 => Ok(0),
            _ if !self.ttl_allowed => Err(ResultCode::Forbidden),
            _ => Ok(self.unless_sooner(now_s.saturating_add(ttl_s), present)),
        }
    }

    /// The present void time instead of an earlier one, where reductions do not count.
    fn unless_sooner(&self, wanted: u32, present: Option<u32>) -> u32 {
        match present {
            Some(present) if !self.reductions && (present == 0 || wanted < present) => present,
            Some(_) | None => wanted,
        }
    }
}

/// What a read with a read-touch percentage should do to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadTouch {
    /// Leave the record alone.
    Skip,
    /// Give it this void time.
    Touch(u32),
}

/// Whether a read renews the record's void time. `percent` comes from the request (signed: 0 for the default,
/// -1 for never), `lifetime_s` is the TTL that the record was last written with.
///
/// # Errors
/// 4 when the percentage is out of range; a record that never expires is not even looked at.
pub(crate) fn read_touch(
    percent: u32,
    default_percent: u32,
    void_time: u32,
    lifetime_s: u32,
    now_s: u32,
) -> Result<ReadTouch, ResultCode> {
    if void_time == 0 {
        return Ok(ReadTouch::Skip);
    }
    let percent = match percent {
        NEVER => return Ok(ReadTouch::Skip),
        0 => default_percent,
        1..=100 => percent,
        _ => return Err(ResultCode::Parameter),
    };
    let remaining_s = void_time.saturating_sub(now_s);
    let renew = u64::from(remaining_s) * 100 < u64::from(lifetime_s) * u64::from(percent);
    Ok(if renew { ReadTouch::Touch(now_s.saturating_add(lifetime_s)) } else { ReadTouch::Skip })
}

#[cfg(test)]
mod tests {
    use super::{KEEP, NEVER, ReadTouch, TTL_MAX_S, TtlRules, read_touch};
    use shipload_wire::code::ResultCode;

    const RULES: TtlRules = TtlRules { default_ttl_s: 30, ttl_allowed: true, reductions: true };

    #[test]
    fn special_values() {
        assert_eq!(RULES.void_time(0, Some(5), 1000), Ok(1030));
        assert_eq!(RULES.void_time(NEVER, Some(5), 1000), Ok(0));
        assert_eq!(RULES.void_time(KEEP, Some(5), 1000), Ok(5));
        assert_eq!(RULES.void_time(KEEP, None, 1000), Ok(1030));
        assert_eq!(RULES.void_time(TTL_MAX_S, None, 1000), Ok(1000 + TTL_MAX_S));
        assert_eq!(RULES.void_time(TTL_MAX_S + 1, None, 1000), Err(ResultCode::Parameter));
        assert_eq!(RULES.void_time(KEEP - 1, None, 1000), Err(ResultCode::Parameter));
    }

    #[test]
    fn records_that_expire_need_an_expiry_pass() {
        let rules = TtlRules { ttl_allowed: false, default_ttl_s: 0, ..RULES };
        assert_eq!(rules.void_time(0, None, 1000), Ok(0));
        assert_eq!(rules.void_time(10, None, 1000), Err(ResultCode::Forbidden));
    }

    #[test]
    fn reductions_may_be_left_out() {
        let rules = TtlRules { reductions: false, ..RULES };
        assert_eq!(rules.void_time(10, Some(2000), 1000), Ok(2000));
        assert_eq!(rules.void_time(10, Some(0), 1000), Ok(0));
        assert_eq!(rules.void_time(10, Some(1005), 1000), Ok(1010));
        assert_eq!(rules.void_time(10, None, 1000), Ok(1010));
        assert_eq!(rules.void_time(NEVER, Some(1005), 1000), Ok(0));
    }

    #[test]
    fn read_touch_renews_what_is_about_to_expire() {
        assert_eq!(read_touch(80, 0, 0, 100, 50), Ok(ReadTouch::Skip));
        assert_eq!(read_touch(101, 0, 0, 100, 50), Ok(ReadTouch::Skip));
        assert_eq!(read_touch(80, 0, 100, 100, 10), Ok(ReadTouch::Skip));
        assert_eq!(read_touch(80, 0, 100, 100, 50), Ok(ReadTouch::Touch(150)));
        assert_eq!(read_touch(0, 0, 100, 100, 99), Ok(ReadTouch::Skip));
        assert_eq!(read_touch(0, 80, 100, 100, 99), Ok(ReadTouch::Touch(199)));
        assert_eq!(read_touch(NEVER, 80, 100, 100, 99), Ok(ReadTouch::Skip));
        assert_eq!(read_touch(101, 80, 100, 100, 99), Err(ResultCode::Parameter));
    }
}
