// The log: one JSON object a line, made of a named event and typed fields. There is no format string, so nothing out of
// a message can slip into one, and a field takes text only when the author says that the text is ours.
//
//   log::info("mllp.accepted", {{"listener", log::own(listener.name)}, {"bytes", frame.size()}});
//   {"time":"2026-11-24T05:06:07.000008Z","level":"info","event":"mllp.accepted","listener":"adt","bytes":812}
//
// Event names and keys are literals of the source: `folder.what_happened`. Values are numbers, durations, literals,
// errors (whose text carries no values, base/error.h) and `own(text)`: configured names, addresses of machines, ids
// that we made. `Phi<T>` holds what came out of a message; it converts to nothing and cannot be logged: that does not
// compile. Every function may be called from any thread. A line is written whole.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/error.h"

namespace minato {

// A value about a patient. It is reached by name only, `reveal()`, which makes each use visible to a reader and to
// grep.
template <typename T>
class Phi {
 public:
  explicit Phi(T value) : value_(std::move(value)) {}
  const T& reveal() const { return value_; }
  friend bool operator==(const Phi&, const Phi&) = default;

 private:
  T value_;
};

}  // namespace minato

namespace minato::log {

enum class Level : std::uint8_t { kDebug, kInfo, kWarning, kError, kAlarm };

std::string_view name(Level level);

// A string literal of the source; anything else does not compile.
class Literal {
 public:
  template <std::size_t N>
  consteval Literal(const char (&text)[N]) : text_(text, N - 1) {}  // implicit: it stands in for the literal
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

// Text that the author vouches for: ours, never a patient's.
class Own {
 public:
  std::string_view text() const { return text_; }

 private:
  explicit Own(std::string_view text) : text_(text) {}
  friend Own own(std::string_view text);
  std::string_view text_;
};
inline Own own(std::string_view text) { return Own(text); }
template <typename T>
Own own(const Phi<T>&) = delete;

// Lives no longer than the call that it is an argument of. A duration is written as a number of milliseconds with a
// fraction: name its key `…_ms`.
class Value {
 public:
  template <std::size_t N>
  consteval Value(const char (&text)[N]) : value_(std::string_view(text, N - 1)) {}
  Value(Own text) : value_(text.text()) {}
  Value(const Error& error);
  Value(std::same_as<bool> auto flag) : value_(flag) {}
  template <std::signed_integral T>
  Value(T number) : value_(static_cast<std::int64_t>(number)) {}
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  Value(T number) : value_(static_cast<std::uint64_t>(number)) {}
  Value(double number) : value_(number) {}
  template <typename Rep, typename Period>
  Value(std::chrono::duration<Rep, Period> span) : value_(std::chrono::duration<double, std::milli>(span).count()) {}
  template <typename T>
  Value(const Phi<T>&) = delete;

  const auto& held() const { return value_; }

 private:
  std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view> value_;
};

struct Field {
  Literal key;
  Value value;
};
using Fields = std::initializer_list<Field>;

void write(Level level, Literal event, Fields fields);
inline void debug(Literal event, Fields fields = {}) { write(Level::kDebug, event, fields); }
inline void info(Literal event, Fields fields = {}) { write(Level::kInfo, event, fields); }
inline void warning(Literal event, Fields fields = {}) { write(Level::kWarning, event, fields); }
inline void error(Literal event, Fields fields = {}) { write(Level::kError, event, fields); }
// Somebody has to look now: stored bytes are rotten, a disk is full, a sender fell silent.
inline void alarm(Literal event, Fields fields = {}) { write(Level::kAlarm, event, fields); }

// What is below is dropped. kInfo at the start.
void set_level(Level level);
// kRefused: no such level. The names are those that the lines carry.
Result<Level> parse_level(std::string_view text);

// While it lives, lines go to `sink` (without the newline) instead of to standard error. For tests; one at a time.
class Redirect {
 public:
  explicit Redirect(std::function<void(std::string_view line)> sink);
  ~Redirect();
  Redirect(const Redirect&) = delete;
  Redirect& operator=(const Redirect&) = delete;
};

}  // namespace minato::log
