// Records for tests, benchmarks and the fuzz corpus: synthetic messages like those of a hospital, each different, and
// always the same for one number. No real person's data.
#pragma once

#include <string>

#include "store/journal/record.h"

namespace minato {

// An ADT message of about 700 bytes, as a journal keeps it, with its envelope.
Record test_message(std::uint64_t number);

// A small record whose body says its number.
inline Record numbered_record(std::uint64_t number) {
  return {.kind = RecordKind::kOutcome,
          .time = from_micros(1'800'000'000'000'000 + static_cast<std::int64_t>(number)),
          .meta = R"({"item":")" + std::to_string(number) + R"("})",
          .body = "body " + std::to_string(number)};
}

inline bool same(const Record& a, const Record& b) {
  return a.kind == b.kind && a.time == b.time && a.meta == b.meta && a.body == b.body;
}

}  // namespace minato
