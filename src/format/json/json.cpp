#include "format/json/json.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

#include "base/bytes.h"

namespace minato::json {

// The tree is one array in the text's order: a container stands before what it holds, a key before its value.
struct Node {
  Kind kind = Kind::kNull;
  bool flag = false;          // of a boolean
  std::uint32_t offset = 0;   // into Tree::text, of a string or number
  std::uint32_t size = 0;     // bytes of a string or number; elements or members of a container
  std::uint32_t subtree = 1;  // nodes of this value, itself included
};

struct Tree {
  std::string text;  // unescaped strings and the numbers' texts, one after another
  std::vector<Node> nodes;

  std::string_view text_of(const Node& node) const { return std::string_view(text).substr(node.offset, node.size); }
};

namespace {

namespace od = simdjson::ondemand;

// Above this a parser of its own is made and freed, so that one large document does not leave its buffers to the
// thread.
constexpr std::size_t kSharedParserBytesMax = kMiB;
constexpr std::size_t kDuplicateScanMax = 16;  // keys compared pair by pair; more are sorted

std::string_view trimmed(std::string_view token) {
  const auto last = token.find_last_not_of(" \t\r\n");
  return last == std::string_view::npos ? std::string_view() : token.substr(0, last + 1);
}

bool digit(char c) { return c >= '0' && c <= '9'; }

std::size_t skip_digits(std::string_view text, std::size_t at) {
  while (at < text.size() && digit(text[at])) ++at;
  return at;
}

// RFC 8259 section 6.
bool is_number(std::string_view text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const std::size_t whole = at;
  at = skip_digits(text, at);
  if (at == whole || (text[whole] == '0' && at > whole + 1)) return false;
  if (at < text.size() && text[at] == '.') {
    const std::size_t fraction = at + 1;
    at = skip_digits(text, fraction);
    if (at == fraction) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const std::size_t exponent = at;
    at = skip_digits(text, exponent);
    if (at == exponent) return false;
  }
  return at == text.size();
}

std::unexpected<Error> syntax(const char* what, std::size_t offset) {
  return fail(Errc::kRefused, std::string("JSON: ") + what + " at byte " + std::to_string(offset));
}

const char* words(simdjson::error_code code) {
  switch (code) {
    case simdjson::UTF8_ERROR:
      return "bytes that are not UTF-8";
    case simdjson::STRING_ERROR:
      return "a malformed string or escape";
    case simdjson::UNESCAPED_CHARS:
      return "an unescaped control character in a string";
    case simdjson::UNCLOSED_STRING:
      return "a string without its end";
    case simdjson::EMPTY:
      return "no value";
    case simdjson::INCOMPLETE_ARRAY_OR_OBJECT:
      return "an array or object without its end";
    default:
      return "not a JSON value";
  }
}

class Builder {
 public:
  Builder(od::parser& parser, const simdjson::padded_string& text, std::size_t depth_max)
      : parser_(parser), text_(text), depth_max_(depth_max) {}

  Result<std::shared_ptr<const Tree>> build() {
    tree_->text.reserve(text_.size());
    if (text_.size() <= kSharedParserBytesMax) tree_->nodes.reserve(text_.size() / 8 + 4);
    if (const auto code = parser_.iterate(text_).get(document_)) return syntax(words(code), first_bad_byte());
    MN_CHECK(value(document_, 0));
    const Node& root = tree_->nodes.front();
    const bool token = root.kind == Kind::kNull || root.kind == Kind::kBoolean || root.kind == Kind::kNumber;
    if (token ? !only_token() : !at_end()) return syntax("more text after the value", here());
    return std::shared_ptr<const Tree>(std::move(tree_));
  }

 private:
  // For errors of the first pass, which looks at all bytes before any value: the first that is not UTF-8, or the text's
  // size.
  std::size_t first_bad_byte() const {
    std::string_view rest(text_.data(), text_.size());
    for (std::size_t bytes = 1; bytes > 0 && !rest.empty(); rest.remove_prefix(bytes))
      bytes = utf8_sequence_bytes(rest);
    return text_.size() - rest.size();
  }

  // The byte where reading stands; the text's size when that is past the end.
  std::size_t here() {
    const char* at = nullptr;
    if (document_.current_location().get(at) != simdjson::SUCCESS) return text_.size();
    return std::min(static_cast<std::size_t>(at - text_.data()), text_.size());
  }

  bool at_end() {
    const char* at = nullptr;
    return document_.current_location().get(at) == simdjson::OUT_OF_BOUNDS;
  }

  // A number or literal as the whole document is not consumed by reading it.
  bool only_token() {
    const std::string_view all(text_.data(), text_.size());
    const auto first = all.find_first_not_of(" \t\r\n");
    return trimmed(all.substr(first)) == trimmed(document_.raw_json_token());
  }

  template <typename V>
  Status value(V& in, std::size_t depth) {
    od::json_type type;
    if (const auto code = in.type().get(type)) return syntax(words(code), here());
    switch (type) {
      case od::json_type::array:
        return array(in, depth + 1);
      case od::json_type::object:
        return object(in, depth + 1);
      case od::json_type::string:
        return string(in);
      default:
        break;
    }
    std::string_view token;
    if (const auto code = simdjson::simdjson_result<std::string_view>(in.raw_json_token()).get(token)) {
      return syntax(words(code), here());
    }
    return scalar(trimmed(token));
  }

  Status scalar(std::string_view token) {
    if (token == "true" || token == "false") {
      tree_->nodes.push_back({.kind = Kind::kBoolean, .flag = token == "true"});
    } else if (token == "null") {
      tree_->nodes.push_back({.kind = Kind::kNull});
    } else if (is_number(token)) {
      append(Kind::kNumber, token);
    } else {
      return syntax("not a JSON value", static_cast<std::size_t>(token.data() - text_.data()));
    }
    return {};
  }

  template <typename V>
  Status string(V& in) {
    std::string_view text;
    if (const auto code = in.get_string().get(text)) return syntax(words(code), here());
    append(Kind::kString, text);
    return {};
  }

  void append(Kind kind, std::string_view text) {
    tree_->nodes.push_back({.kind = kind,
                            .offset = static_cast<std::uint32_t>(tree_->text.size()),
                            .size = static_cast<std::uint32_t>(text.size())});
    tree_->text += text;
  }

  Status check_depth(std::size_t depth) {
    if (depth <= depth_max_) return {};
    return fail(Errc::kTooLarge,
                "JSON: nested deeper than " + std::to_string(depth_max_) + " at byte " + std::to_string(here()));
  }

  std::size_t open(Kind kind) {
    tree_->nodes.push_back({.kind = kind});
    return tree_->nodes.size() - 1;
  }

  void close(std::size_t at, std::uint32_t size) {
    tree_->nodes[at].size = size;
    tree_->nodes[at].subtree = static_cast<std::uint32_t>(tree_->nodes.size() - at);
  }

  template <typename V>
  Status array(V& in, std::size_t depth) {
    MN_CHECK(check_depth(depth));
    const std::size_t at = open(Kind::kArray);
    od::array elements;
    if (const auto code = in.get_array().get(elements)) return syntax(words(code), here());
    std::uint32_t size = 0;
    for (auto element : elements) {
      od::value inner;
      if (const auto code = std::move(element).get(inner)) return syntax(words(code), here());
      MN_CHECK(value(inner, depth));
      ++size;
    }
    close(at, size);
    return {};
  }

  template <typename V>
  Status object(V& in, std::size_t depth) {
    MN_CHECK(check_depth(depth));
    const std::size_t at = open(Kind::kObject);
    od::object members;
    if (const auto code = in.get_object().get(members)) return syntax(words(code), here());
    std::uint32_t size = 0;
    for (auto member : members) {
      od::field field;
      if (const auto code = std::move(member).get(field)) return syntax(words(code), here());
      std::string_view key;
      if (const auto code = field.unescaped_key().get(key)) return syntax(words(code), here());
      append(Kind::kString, key);
      MN_CHECK(value(field.value(), depth));
      ++size;
    }
    close(at, size);
    if (has_duplicate(at)) return syntax("a duplicate key in the object that ends", here());
    return {};
  }

  bool has_duplicate(std::size_t at) {
    const Node* const object = &tree_->nodes[at];
    keys_.clear();
    for (const Node* key = object + 1; key < object + object->subtree; key += 1 + key[1].subtree) {
      keys_.push_back(tree_->text_of(*key));
    }
    if (keys_.size() <= kDuplicateScanMax) {
      for (auto key = keys_.begin(); key != keys_.end(); ++key) {
        if (std::find(key + 1, keys_.end(), *key) != keys_.end()) return true;
      }
      return false;
    }
    std::ranges::sort(keys_);
    return std::ranges::adjacent_find(keys_) != keys_.end();
  }

  od::parser& parser_;
  const simdjson::padded_string& text_;
  const std::size_t depth_max_;
  od::document document_;
  std::shared_ptr<Tree> tree_ = std::make_shared<Tree>();
  std::vector<std::string_view> keys_;
};

template <typename T>
std::optional<T> whole(std::string_view text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::kMissing:
      return "missing";
    case Kind::kNull:
      return "null";
    case Kind::kBoolean:
      return "boolean";
    case Kind::kNumber:
      return "number";
    case Kind::kString:
      return "string";
    case Kind::kArray:
      return "array";
    case Kind::kObject:
      return "object";
  }
  return "missing";
}

Result<Document> parse(std::string_view text, const Limits& limits) {
  if (text.size() > std::min<std::size_t>(limits.bytes_max, std::numeric_limits<std::uint32_t>::max() - 64)) {
    return fail(Errc::kTooLarge, "JSON: more than " + std::to_string(limits.bytes_max) + " bytes");
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return syntax("no value", text.size());
  try {
    const simdjson::padded_string padded(text);
    if (text.size() > kSharedParserBytesMax) {
      od::parser parser(std::numeric_limits<std::uint32_t>::max());
      MN_TRY(tree, Builder(parser, padded, limits.depth_max).build());
      return Document(std::move(tree));
    }
    thread_local od::parser parser(kSharedParserBytesMax + 64);
    MN_TRY(tree, Builder(parser, padded, limits.depth_max).build());
    return Document(std::move(tree));
  } catch (const std::exception&) {
    return fail(Errc::kUnavailable, "JSON: out of memory");
  }
}

Value Document::root() const { return Value(tree_.get(), tree_->nodes.data()); }

Kind Value::kind() const { return node_ == nullptr ? Kind::kMissing : node_->kind; }

std::optional<std::string_view> Value::string() const {
  if (kind() != Kind::kString) return std::nullopt;
  return tree_->text_of(*node_);
}

std::optional<bool> Value::boolean() const {
  if (kind() != Kind::kBoolean) return std::nullopt;
  return node_->flag;
}

std::optional<std::int64_t> Value::integer() const { return whole<std::int64_t>(number_text()); }
std::optional<std::uint64_t> Value::unsigned_integer() const { return whole<std::uint64_t>(number_text()); }

std::optional<double> Value::number() const {
  const std::string_view text = number_text();
  if (text.empty()) return std::nullopt;
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc()) return value;
  // Out of range: from_chars does not tell too large from too small. Too small is zero; too large has no double.
  const auto exponent = text.find_first_of("eE");
  const bool tiny = exponent != std::string_view::npos && text[exponent + 1] == '-';
  if (!tiny) return std::nullopt;
  return text.front() == '-' ? -0.0 : 0.0;
}

std::string_view Value::number_text() const {
  return kind() == Kind::kNumber ? tree_->text_of(*node_) : std::string_view();
}

std::size_t Value::size() const { return is_array() || is_object() ? node_->size : 0; }

Value Value::operator[](std::string_view key) const {
  if (!is_object()) return {};
  for (const Entry entry : entries()) {
    if (entry.key == key) return entry.value;
  }
  return {};
}

Value::Entries Value::entries() const {
  if (!is_array() && !is_object())
    return {Iterator(nullptr, nullptr, Kind::kNull), Iterator(nullptr, nullptr, Kind::kNull)};
  return {Iterator(tree_, node_ + 1, kind()), Iterator(tree_, node_ + node_->subtree, kind())};
}

Value::Entry Value::Iterator::operator*() const {
  if (kind_ == Kind::kObject) return {tree_->text_of(*at_), Value(tree_, at_ + 1)};
  return {{}, Value(tree_, at_)};
}

Value::Iterator& Value::Iterator::operator++() {
  at_ += kind_ == Kind::kObject ? 1 + at_[1].subtree : at_->subtree;
  return *this;
}

void write(JsonWriter& out, Value value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kNull:
      out.null();
      return;
    case Kind::kBoolean:
      out.value(*value.boolean());
      return;
    case Kind::kNumber:
      out.number(value.number_text());
      return;
    case Kind::kString:
      out.value(*value.string());
      return;
    case Kind::kArray:
      out.begin_array();
      break;
    case Kind::kObject:
      out.begin_object();
      break;
  }
  for (const auto entry : value.entries()) {
    if (value.is_object()) out.key(entry.key);
    write(out, entry.value);
  }
  value.is_object() ? out.end_object() : out.end_array();
}

std::string to_text(Value value) {
  std::string out;
  JsonWriter json(out);
  write(json, value);
  return out;
}

}  // namespace minato::json
