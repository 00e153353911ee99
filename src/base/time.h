// Instants and their text. All instants are UTC with microseconds; what is stored or compared is this, never local
// time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace minato {

using Duration = std::chrono::microseconds;
using Time = std::chrono::sys_time<Duration>;            // wall clock
using Deadline = std::chrono::steady_clock::time_point;  // what waits are bounded by

inline std::int64_t to_micros(Time time) { return time.time_since_epoch().count(); }
inline Time from_micros(std::int64_t micros) { return Time(Duration(micros)); }

// RFC 3339 in UTC with microseconds: 2026-11-24T05:06:07.000008Z
std::string to_rfc3339(Time time);
// Accepts RFC 3339 with Z or an offset, fraction optional; nullopt for anything else.
std::optional<Time> from_rfc3339(std::string_view text);

// HL7 DTM with the offset that local time has in minutes east of UTC (HL7 v2.5.1 section 2.A.22):
// 20261124140607.123+0900
std::string to_hl7_dtm(Time time, int offset_minutes);
// YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]; without a zone, `default_offset_minutes` applies. nullopt if
// malformed.
std::optional<Time> from_hl7_dtm(std::string_view text, int default_offset_minutes);

}  // namespace minato
