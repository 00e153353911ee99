// How every fallible function here answers, and how its caller decides what to do next.
//
//   Result<Header> header = parse_header(bytes);
//   if (!header) return std::unexpected(header.error());
//
// An error's class says what the caller does with it; its text says what happened and where, for a person. The text
// never carries a value out of a message: offsets, ids of ours, names of fields and clauses of standards only. One
// table at each edge turns the class into the answer that the edge's protocol has for it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace minato {

enum class Errc : std::uint8_t {
  kRetry,        // may work later, unchanged: a time-out, a busy peer
  kRefused,      // the sender is wrong; the same again will be refused again
  kConflict,     // somebody else changed it first, or holds it
  kNotFound,     // no such thing
  kTooLarge,     // over a limit of base/limits.h or of the configuration
  kUnavailable,  // we cannot serve this now: full, stopping, dependency down
  kCorrupt,      // stored bytes are not what was written: alarm, never continue silently
};

std::string_view name(Errc code);

struct Error {
  Errc code = Errc::kUnavailable;
  std::string what;
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(Errc code, std::string what) {
  return std::unexpected<Error>(Error{code, std::move(what)});
}

// The same error with the caller's words before it: context("open segment 7", error).
inline std::unexpected<Error> context(std::string_view where, const Error& error) {
  return fail(error.code, std::string(where) + ": " + error.what);
}

}  // namespace minato

// Early return on failure. MN_CHECK for a Status; MN_TRY declares `name` and moves the value into it.
#define MN_CHECK(expression)                                                                             \
  do {                                                                                                   \
    if (auto mn_status = (expression); !mn_status) return std::unexpected(std::move(mn_status).error()); \
  } while (false)
#define MN_CONCAT_(a, b) a##b
#define MN_CONCAT(a, b) MN_CONCAT_(a, b)
#define MN_TRY(name, expression) MN_TRY_(MN_CONCAT(mn_result_, __LINE__), name, expression)
#define MN_TRY_(result, name, expression)                         \
  auto result = (expression);                                     \
  if (!result) return std::unexpected(std::move(result).error()); \
  auto name = std::move(*result)
