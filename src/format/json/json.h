// Reads JSON (RFC 8259) into an immutable document.
//
//   MN_TRY(document, json::parse(body));
//   const auto mrn = document.root()["patient"]["mrn"].string_or("");
//
// Stricter than the RFC asks: UTF-8 only (one leading byte order mark is skipped), no duplicate keys (section 4 leaves
// their meaning open), nothing after the value. Numbers keep the text they came with beside their value, so 1.10
// stays 1.10.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/limits.h"

namespace minato::json {

enum class Kind : std::uint8_t { kMissing, kNull, kBoolean, kNumber, kString, kArray, kObject };

std::string_view name(Kind kind);

struct Limits {
  std::size_t bytes_max = kJsonBytesMax;
  std::size_t depth_max = kJsonDepthMax;  // arrays and objects within one another; a scalar alone has depth 0
};

struct Node;
struct Tree;

// A place in a document: two words, copied freely, good while the Document lives. Reading is thread-safe.
// What is not there is a Value too, of kind kMissing, so that a path needs no checks on its way.
class Value {
 public:
  Value() = default;
  Value(const Tree* tree, const Node* node) : tree_(tree), node_(node) {}

  Kind kind() const;
  bool present() const { return node_ != nullptr; }
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_object() const { return kind() == Kind::kObject; }
  bool is_array() const { return kind() == Kind::kArray; }

  // nullopt: of another kind.
  std::optional<std::string_view> string() const;
  std::optional<bool> boolean() const;
  // nullopt also for a fraction, an exponent, or a number that the type does not hold.
  std::optional<std::int64_t> integer() const;
  std::optional<std::uint64_t> unsigned_integer() const;
  // The nearest double; nullopt also when it would be infinite.
  std::optional<double> number() const;
  // The number as it was written; empty for any other kind.
  std::string_view number_text() const;
  std::string_view string_or(std::string_view otherwise) const { return string().value_or(otherwise); }

  // Elements of an array or members of an object; 0 for all else.
  std::size_t size() const;
  // The member of that name (compared byte by byte after unescaping); kMissing when there is none or this is no object.
  Value operator[](std::string_view key) const;

  // Walks the elements of an array or the members of an object, in the text's order; empty for all else.
  //   for (const auto entry : value.entries()) use(entry.key, entry.value);
  struct Entry;
  class Iterator;
  class Entries;
  Entries entries() const;

 private:
  const Tree* tree_ = nullptr;
  const Node* node_ = nullptr;
};

struct Value::Entry {
  std::string_view key;  // empty for an element of an array
  Value value;
};

class Value::Iterator {
 public:
  Iterator(const Tree* tree, const Node* at, Kind kind) : tree_(tree), at_(at), kind_(kind) {}
  Entry operator*() const;
  Iterator& operator++();
  bool operator==(const Iterator& other) const { return at_ == other.at_; }

 private:
  const Tree* tree_;
  const Node* at_;
  Kind kind_;
};

class Value::Entries {
 public:
  Entries(Iterator first, Iterator last) : first_(first), last_(last) {}
  Iterator begin() const { return first_; }
  Iterator end() const { return last_; }

 private:
  Iterator first_, last_;
};

// Owns the text of its strings and numbers; does not need the parsed bytes any more. Copies share it.
class Document {
 public:
  explicit Document(std::shared_ptr<const Tree> tree) : tree_(std::move(tree)) {}
  Value root() const;

 private:
  std::shared_ptr<const Tree> tree_;
};

// kRefused: not JSON, not UTF-8, or a duplicate key; the text names the byte offset where reading stopped, or the
// clause. kTooLarge: over a limit. No error carries text of the document.
Result<Document> parse(std::string_view text, const Limits& limits = {});

// Writes the value as it was read: same order, same number texts.
void write(JsonWriter& out, Value value);
std::string to_text(Value value);

}  // namespace minato::json
