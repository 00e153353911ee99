// Rules that say which messages go where, and what is changed in them on the way. Rules are data: a TOML text that is
// checked whole before it is used (docs/routes.md), named by the SHA-256 of its bytes, and tried on stored messages
// before it goes live.
//
//   MN_TRY(rules, RouteSet::parse(text, "routes.toml"));
//   for (const Route* route : rules->match(message, facts)) {
//     MN_TRY(bytes, rules->apply(*route, message));           // bytes that no change names stay what they were
//     …deliver to route->to…
//   }
//
// Immutable after parse; any thread may use it. Nothing here loops over rules that refer to each other: there are none.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "format/hl7/message.h"
#include "format/hl7/path.h"

namespace minato {

// What is known of a message beside its bytes.
struct RouteFacts {
  std::string listener;
};

struct RouteCondition {
  enum class Op : std::uint8_t {
    kEq,
    kNe,
    kIn,
    kExists,
    kAbsent,
    kStarts,
    kContains,
    kGlob,
    kLess,
    kGreater,
    kAll,
    kAny,
    kNot
  };
  Op op = Op::kAll;
  std::optional<hl7::Path> path;      // of the operations on a value
  std::vector<std::string> values;    // one, but for kIn
  std::vector<RouteCondition> parts;  // of kAll, kAny, kNot
};

struct RouteChange {
  enum class Kind : std::uint8_t { kSet, kClear, kAppend, kRemove };
  enum class Width : std::uint8_t { kKeep, kFull, kHalf };  // of letters, digits and kana
  enum class Case : std::uint8_t { kKeep, kUpper, kLower };
  Kind kind = Kind::kSet;
  std::optional<hl7::Path> path;  // kSet, kClear
  std::string value;  // kSet: text in which {PATH} stands for a value; kAppend: the segment; kRemove: its id
  std::string table;  // kSet: code table for the result
  Width width = Width::kKeep;
  Case letter_case = Case::kKeep;
  std::uint32_t skip = 0, take = 0;  // characters of the result; take 0: all
};

struct Route {
  std::string name;
  std::vector<std::string> types;      // "ORU^R01", "ORU^*", "ORU"; empty: any
  std::vector<std::string> senders;    // "LAB|HOSP", "LAB|*", "LAB"; empty: any
  std::vector<std::string> listeners;  // empty: any
  RouteCondition where;
  std::vector<RouteChange> changes;
  std::vector<std::string> to;  // destinations
};

struct CodeTable {
  enum class Otherwise : std::uint8_t { kKeep, kError, kValue };
  std::map<std::string, std::string, std::less<>> rows;
  Otherwise otherwise = Otherwise::kError;
  std::string value;  // kValue
};

class RouteSet {
 public:
  // kRefused with every fault, one a line with its place: unknown keys, paths that do not parse, tables that are not
  // there, destinations that are not among `destinations` (when it is given). kTooLarge: over a limit of base/limits.h.
  static Result<std::shared_ptr<const RouteSet>> parse(std::string_view text, std::string_view file_name,
                                                       const std::vector<std::string>* destinations = nullptr);

  std::vector<const Route*> match(const hl7::Message& message, const RouteFacts& facts) const;
  // The message as the route's destinations get it. kRefused: a change cannot be made (code not in its table, text that
  // the message's character set cannot carry, no such segment); the text names the change, never a value.
  Result<std::string> apply(const Route& route, const hl7::Message& message) const;

  const Route* find(std::string_view name) const;
  const std::vector<Route>& routes() const { return routes_; }
  const std::string& text() const { return text_; }
  const std::string& version() const { return version_; }  // 64 hexadecimal digits

 private:
  friend class RouteParser;
  RouteSet() = default;
  std::string text_, version_;
  std::vector<Route> routes_;
  std::map<std::string, CodeTable, std::less<>> tables_;
};

// '*' any run of characters, '?' one; all else itself. Linear in text × pattern at worst.
bool glob_matches(std::string_view pattern, std::string_view text);

}  // namespace minato
