#include "flow/route.h"

#include <unicode/normalizer2.h>
#include <unicode/translit.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <charconv>

#include "format/hl7/edit.h"

namespace minato {
namespace {

using Op = RouteCondition::Op;

// "A^B" against its two parts; a missing second part, or *, matches any.
bool pair_matches(std::string_view pattern, char separator, std::string_view first, std::string_view second) {
  const std::size_t at = pattern.find(separator);
  if (!glob_matches(pattern.substr(0, at), first)) return false;
  return at == std::string_view::npos || glob_matches(pattern.substr(at + 1), second);
}

bool any_pair(const std::vector<std::string>& patterns, char separator, std::string_view first,
              std::string_view second) {
  return patterns.empty() || std::ranges::any_of(patterns, [&](const std::string& pattern) {
           return pair_matches(pattern, separator, first, second);
         });
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool value_matches(const RouteCondition& condition, const std::string& value) {
  const std::string& wanted = condition.values.empty() ? value : condition.values.front();
  switch (condition.op) {
    case Op::kEq:
      return value == wanted;
    case Op::kNe:
      return value != wanted;
    case Op::kIn:
      return std::ranges::find(condition.values, value) != condition.values.end();
    case Op::kStarts:
      return value.starts_with(wanted);
    case Op::kContains:
      return value.find(wanted) != std::string::npos;
    case Op::kGlob:
      return glob_matches(wanted, value);
    case Op::kLess:
    case Op::kGreater: {
      const auto left = number(value), right = number(wanted);
      if (!left || !right) return false;
      return condition.op == Op::kLess ? *left < *right : *left > *right;
    }
    default:
      return false;
  }
}

bool holds(const RouteCondition& condition, const hl7::Message& message) {
  const auto part_holds = [&](const RouteCondition& part) { return holds(part, message); };
  switch (condition.op) {
    case Op::kAll:
      return std::ranges::all_of(condition.parts, part_holds);
    case Op::kAny:
      return std::ranges::any_of(condition.parts, part_holds);
    case Op::kNot:
      return !std::ranges::any_of(condition.parts, part_holds);
    case Op::kExists:
      return !message.raw(*condition.path).empty();
    case Op::kAbsent:
      return message.raw(*condition.path).empty();
    default:
      return value_matches(condition, message.get(*condition.path));
  }
}

// "Ward {PV1-3.1} of {PID-3.1}": a brace that opens no path stands for itself.
std::string filled(const std::string& pattern, const hl7::Message& message) {
  std::string out;
  std::size_t at = 0;
  while (at < pattern.size()) {
    const std::size_t open = pattern.find('{', at);
    const std::size_t close = open == std::string::npos ? open : pattern.find('}', open);
    if (close == std::string::npos) break;
    const auto path = hl7::Path::parse(std::string_view(pattern).substr(open + 1, close - open - 1));
    out.append(pattern, at, open - at);
    if (path)
      out += message.get(*path);
    else
      out.append(pattern, open, close - open + 1);
    at = close + 1;
  }
  return out + pattern.substr(at);
}

// Full-width letters, digits and kana, or half-width ones (JIS X 0201), by ICU's transliterators.
void fold_width(icu::UnicodeString& text, RouteChange::Width width) {
  if (width == RouteChange::Width::kKeep) return;
  UErrorCode status = U_ZERO_ERROR;
  const char* id = width == RouteChange::Width::kFull ? "Halfwidth-Fullwidth" : "Fullwidth-Halfwidth";
  const std::unique_ptr<icu::Transliterator> fold(icu::Transliterator::createInstance(id, UTRANS_FORWARD, status));
  if (fold && U_SUCCESS(status)) fold->transliterate(text);
}

std::string shaped(const RouteChange& change, const std::string& value) {
  const bool as_it_is = change.width == RouteChange::Width::kKeep && change.letter_case == RouteChange::Case::kKeep &&
                        change.skip == 0 && change.take == 0;
  if (as_it_is) return value;
  icu::UnicodeString text = icu::UnicodeString::fromUTF8(value);
  fold_width(text, change.width);
  if (change.letter_case == RouteChange::Case::kUpper) text.toUpper();
  if (change.letter_case == RouteChange::Case::kLower) text.toLower();
  if (change.skip > 0) text.removeBetween(0, text.moveIndex32(0, static_cast<std::int32_t>(change.skip)));
  if (change.take > 0) text.truncate(text.moveIndex32(0, static_cast<std::int32_t>(change.take)));
  std::string out;
  text.toUTF8String(out);
  return out;
}

Result<std::string> mapped(const CodeTable& table, std::string value) {
  const auto row = table.rows.find(value);
  if (row != table.rows.end()) return row->second;
  switch (table.otherwise) {
    case CodeTable::Otherwise::kKeep:
      return value;
    case CodeTable::Otherwise::kValue:
      return table.value;
    case CodeTable::Otherwise::kError:
      break;
  }
  return fail(Errc::kRefused, "the code is not in the table");
}

std::unexpected<Error> at_change(const Route& route, std::size_t index, const Error& error) {
  return fail(error.code, "route " + route.name + ", change " + std::to_string(index + 1) + ": " + error.what);
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*') {
      ++p;
      ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::vector<const Route*> RouteSet::match(const hl7::Message& message, const RouteFacts& facts) const {
  const hl7::Segment msh = message.segment("MSH");
  const std::string type = msh.field(9).component(1).text(), event = msh.field(9).component(2).text();
  const std::string application = msh.field(3).component(1).text(), facility = msh.field(4).component(1).text();
  std::vector<const Route*> out;
  for (const Route& route : routes_) {
    const bool listener =
        route.listeners.empty() || std::ranges::find(route.listeners, facts.listener) != route.listeners.end();
    if (listener && any_pair(route.types, '^', type, event) && any_pair(route.senders, '|', application, facility) &&
        holds(route.where, message)) {
      out.push_back(&route);
    }
  }
  return out;
}

Result<std::string> RouteSet::apply(const Route& route, const hl7::Message& message) const {
  if (route.changes.empty()) return std::string(message.bytes());
  hl7::MessageEditor editor(message);
  std::size_t segments = message.segment_count();
  for (std::size_t i = 0; i < route.changes.size(); ++i) {
    const RouteChange& change = route.changes[i];
    Status made;
    switch (change.kind) {
      case RouteChange::Kind::kClear:
        made = editor.set_raw(*change.path, "");
        break;
      case RouteChange::Kind::kRemove: {
        const std::size_t count = message.segments(change.value).size();
        for (std::size_t n = 0; n < count && made; ++n) made = editor.remove_segment(change.value, 0);
        segments -= count;
        break;
      }
      case RouteChange::Kind::kAppend:
        made = editor.insert_segment_after(segments - 1, filled(change.value, message));
        ++segments;
        break;
      case RouteChange::Kind::kSet: {
        // Values come from the message as it was received, so the order of changes does not matter to what they read.
        Result<std::string> value = filled(change.value, message);
        if (!change.table.empty()) value = mapped(tables_.find(change.table)->second, std::move(*value));
        if (!value) return at_change(route, i, value.error());
        made = editor.set(*change.path, shaped(change, *value));
        break;
      }
    }
    // A segment that the message does not have needs no clearing.
    if (!made && change.kind == RouteChange::Kind::kClear && made.error().code == Errc::kNotFound) continue;
    if (!made) return at_change(route, i, made.error());
  }
  return editor.build();
}

const Route* RouteSet::find(std::string_view name) const {
  const auto at = std::ranges::find(routes_, name, &Route::name);
  return at == routes_.end() ? nullptr : &*at;
}

}  // namespace minato
