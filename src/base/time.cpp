#include "base/time.h"

#include <charconv>
#include <cstdio>

namespace minato {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

struct Civil {
  int year = 0;
  unsigned month = 1, day = 1;
  int hour = 0, minute = 0, second = 0;
  int micros = 0;
};

Civil civil(Time time) {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day ymd(day);
  auto rest = time - day;
  Civil out;
  out.year = static_cast<int>(ymd.year());
  out.month = static_cast<unsigned>(ymd.month());
  out.day = static_cast<unsigned>(ymd.day());
  out.hour = static_cast<int>(std::chrono::duration_cast<hours>(rest).count());
  rest -= hours(out.hour);
  out.minute = static_cast<int>(std::chrono::duration_cast<minutes>(rest).count());
  rest -= minutes(out.minute);
  out.second = static_cast<int>(std::chrono::duration_cast<seconds>(rest).count());
  rest -= seconds(out.second);
  out.micros = static_cast<int>(rest.count());
  return out;
}

std::optional<Time> instant(const Civil& c) {
  const std::chrono::year_month_day ymd{std::chrono::year(c.year), std::chrono::month(c.month),
                                        std::chrono::day(c.day)};
  // A leap second (60) is accepted and becomes the next minute's first.
  if (!ymd.ok() || c.hour > 23 || c.minute > 59 || c.second > 60) return std::nullopt;
  return Time(std::chrono::sys_days(ymd)) + hours(c.hour) + minutes(c.minute) + seconds(c.second) + Duration(c.micros);
}

// Takes exactly `digits` decimal digits off the front of `text`.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

// A fraction of a second after the point; digits past the sixth are dropped.
std::optional<int> take_fraction(std::string_view& text) {
  int micros = 0;
  int digits = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (digits < 6) micros = micros * 10 + (text.front() - '0');
    ++digits;
    text.remove_prefix(1);
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 6; ++digits) micros *= 10;
  return micros;
}

// +HHMM, -HHMM or, with a colon, +HH:MM.
std::optional<int> take_offset(std::string_view& text) {
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const int sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto hour = take_digits(text, 2);
  if (!hour) return std::nullopt;
  take(text, ':');
  const auto minute = take_digits(text, 2);
  if (!minute || *hour > 14 || *minute > 59) return std::nullopt;
  return sign * (*hour * 60 + *minute);
}

}  // namespace

std::string to_rfc3339(Time time) {
  const Civil c = civil(time);
  char out[40];
  const int n = std::snprintf(out, sizeof out, "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", c.year, c.month, c.day, c.hour,
                              c.minute, c.second, c.micros);
  return std::string(out, static_cast<std::size_t>(n));
}

std::optional<Time> from_rfc3339(std::string_view text) {
  Civil c;
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day || (!take(text, 'T') && !take(text, 't'))) return std::nullopt;
  const auto hour = take_digits(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || !take(text, ':')) return std::nullopt;
  const auto second = take_digits(text, 2);
  if (!second) return std::nullopt;
  if (take(text, '.')) {
    const auto micros = take_fraction(text);
    if (!micros) return std::nullopt;
    c.micros = *micros;
  }
  int offset = 0;
  if (!take(text, 'Z') && !take(text, 'z')) {
    const auto taken = take_offset(text);
    if (!taken) return std::nullopt;
    offset = *taken;
  }
  if (!text.empty()) return std::nullopt;
  c.year = *year;
  c.month = static_cast<unsigned>(*month);
  c.day = static_cast<unsigned>(*day);
  c.hour = *hour;
  c.minute = *minute;
  c.second = *second;
  const auto local = instant(c);
  if (!local) return std::nullopt;
  return *local - minutes(offset);
}

std::string to_hl7_dtm(Time time, int offset_minutes) {
  const Civil c = civil(time + minutes(offset_minutes));
  const int offset = offset_minutes < 0 ? -offset_minutes : offset_minutes;
  char out[48];
  const int n =
      std::snprintf(out, sizeof out, "%04d%02u%02u%02d%02d%02d.%03d%c%02d%02d", c.year, c.month, c.day, c.hour,
                    c.minute, c.second, c.micros / 1000, offset_minutes < 0 ? '-' : '+', offset / 60, offset % 60);
  return std::string(out, static_cast<std::size_t>(n));
}

std::optional<Time> from_hl7_dtm(std::string_view text, int default_offset_minutes) {
  Civil c;
  const auto year = take_digits(text, 4);
  if (!year) return std::nullopt;
  c.year = *year;
  const auto more = [&] { return !text.empty() && text.front() >= '0' && text.front() <= '9'; };
  const auto part = [&](auto& into) {
    const auto value = take_digits(text, 2);
    if (!value) return false;
    into = static_cast<std::remove_reference_t<decltype(into)>>(*value);
    return true;
  };
  if (more() && !part(c.month)) return std::nullopt;
  if (more() && !part(c.day)) return std::nullopt;
  if (more() && !part(c.hour)) return std::nullopt;
  if (more() && !part(c.minute)) return std::nullopt;
  if (more() && !part(c.second)) return std::nullopt;
  if (take(text, '.')) {
    const auto micros = take_fraction(text);
    if (!micros) return std::nullopt;
    c.micros = *micros;
  }
  int offset = default_offset_minutes;
  if (!text.empty()) {
    const auto taken = take_offset(text);
    if (!taken || !text.empty()) return std::nullopt;
    offset = *taken;
  }
  const auto local = instant(c);
  if (!local) return std::nullopt;
  return *local - minutes(offset);
}

}  // namespace minato
