// Writes JSON (RFC 8259) by appending to a string; it keeps no tree.
//
//   std::string out;
//   JsonWriter json(out);
//   json.begin_object().member("seq", 7).key("lanes").begin_array().value("a").end_array().end_object();
//
// Commas and quoting are its work; that begin and end pair up, and that a key stands before each value of an object, is
// the caller's. Text that is not UTF-8 is repaired: each byte that belongs to no sequence becomes U+FFFD, so the result
// is always valid JSON. Not thread-safe.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace minato {

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(std::same_as<bool> auto flag) { return token(flag ? "true" : "false"); }
  template <std::signed_integral T>
  JsonWriter& value(T number) {
    return signed_number(number);
  }
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  JsonWriter& value(T number) {
    return unsigned_number(number);
  }
  // The shortest text that reads back as the same double. JSON has no infinity and no NaN: they become null.
  JsonWriter& value(double number);
  JsonWriter& null() { return token("null"); }
  // The text of a number exactly as it came (1.10 stays 1.10). The caller vouches that it is a JSON number.
  JsonWriter& number(std::string_view text) { return token(text); }
  // A whole JSON value that is already text. The caller vouches for it.
  JsonWriter& raw(std::string_view json) { return token(json); }

  template <typename T>
  JsonWriter& member(std::string_view name, const T& v) {
    key(name);
    return value(v);
  }
  // Writes nothing, not even the key, when there is no value.
  template <typename T>
  JsonWriter& member(std::string_view name, const std::optional<T>& v) {
    return v ? member(name, *v) : *this;
  }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& token(std::string_view text);
  JsonWriter& signed_number(std::int64_t number);
  JsonWriter& unsigned_number(std::uint64_t number);
  void separate();

  std::string& out_;
  bool comma_ = false;  // something stands before the next value that needs a comma after it
};

// Appends `text` as a JSON string with its quotes, repaired as above.
void append_json_string(std::string& out, std::string_view text);

}  // namespace minato
