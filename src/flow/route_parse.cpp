#include <algorithm>

#include "crypto/sha256.h"
#include "flow/route.h"
#include "format/toml/config_reader.h"

namespace minato {

namespace {

using Op = RouteCondition::Op;
using Kind = RouteChange::Kind;

std::optional<hl7::Path> path_at(ConfigSection& in, std::string_view key) {
  std::string text;
  in.read(key, text);
  if (text.empty()) return std::nullopt;
  auto path = hl7::Path::parse(text);
  if (path) return *path;
  in.fault_here(std::string(key) + ": " + path.error().what);
  return std::nullopt;
}

struct Bounds {
  std::size_t conditions = 0;
  std::size_t depth = 0;
};

RouteCondition read_condition(ConfigSection& in, Bounds& bounds);

RouteCondition read_parts(ConfigSection& in, std::string_view key, Op op, Bounds& bounds) {
  RouteCondition out;
  out.op = op;
  if (++bounds.depth > kRouteConditionDepthMax) {
    in.fault_here("conditions nest too deeply");
    return out;
  }
  if (op == Op::kNot) {
    in.section(key, [&](ConfigSection& part) { out.parts.push_back(read_condition(part, bounds)); });
  } else {
    in.sections(key, [&](ConfigSection& part) { out.parts.push_back(read_condition(part, bounds)); });
  }
  --bounds.depth;
  return out;
}

// {path = "PV1-2", eq = "I"}, {any = [{…}, {…}]}, {all = […]}, {not = {…}}
RouteCondition read_condition(ConfigSection& in, Bounds& bounds) {
  if (++bounds.conditions > kRouteConditionsMax) {
    in.fault_here("too many conditions");
    return {};
  }
  if (in.has("any")) return read_parts(in, "any", Op::kAny, bounds);
  if (in.has("all")) return read_parts(in, "all", Op::kAll, bounds);
  if (in.has("not")) return read_parts(in, "not", Op::kNot, bounds);
  RouteCondition out;
  out.path = path_at(in, "path");
  constexpr std::pair<std::string_view, Op> kOps[] = {
      {"eq", Op::kEq},     {"ne", Op::kNe},     {"starts", Op::kStarts},  {"contains", Op::kContains},
      {"glob", Op::kGlob}, {"less", Op::kLess}, {"greater", Op::kGreater}};
  std::size_t found = 0;
  for (const auto& [key, op] : kOps) {
    if (!in.has(key)) continue;
    std::string value;
    in.read(key, value);
    out.op = op;
    out.values = {value};
    ++found;
  }
  if (in.has("in")) {
    in.read("in", out.values);
    out.op = Op::kIn;
    ++found;
  }
  if (in.has("exists")) {
    bool exists = true;
    in.read("exists", exists);
    out.op = exists ? Op::kExists : Op::kAbsent;
    ++found;
  }
  if (!out.path) in.fault_here("a condition needs a path (or any, all, not)");
  if (found != 1)
    in.fault_here("a condition needs exactly one of eq, ne, in, exists, starts, contains, glob, less, greater");
  return out;
}

RouteChange read_change(ConfigSection& in) {
  RouteChange out;
  const int kinds = in.has("set") + in.has("clear") + in.has("append") + in.has("remove");
  if (kinds != 1) in.fault_here("a change is exactly one of set, clear, append, remove");
  if (in.has("clear")) {
    out.kind = Kind::kClear;
    out.path = path_at(in, "clear");
  } else if (in.has("append")) {
    out.kind = Kind::kAppend;
    in.read("append", out.value);
    if (out.value.size() < 4) in.fault_here("append: a segment is needed, such as \"ZMN|1|x\"");
  } else if (in.has("remove")) {
    out.kind = Kind::kRemove;
    in.read("remove", out.value);
    if (out.value.size() != 3 || out.value == "MSH") in.fault_here("remove: a segment id is needed, and not MSH");
  } else {
    out.path = path_at(in, "set");
    in.read("value", out.value);
    in.read("table", out.table);
    std::string width = "keep", letters = "keep";
    in.read_one_of("width", width, {"keep", "full", "half"});
    in.read_one_of("case", letters, {"keep", "upper", "lower"});
    out.width = width == "full"   ? RouteChange::Width::kFull
                : width == "half" ? RouteChange::Width::kHalf
                                  : RouteChange::Width::kKeep;
    out.letter_case = letters == "upper"   ? RouteChange::Case::kUpper
                      : letters == "lower" ? RouteChange::Case::kLower
                                           : RouteChange::Case::kKeep;
    in.read_integer("skip", out.skip, 0, 100'000);
    in.read_integer("take", out.take, 0, 100'000);
  }
  return out;
}

Route read_route(ConfigSection& in) {
  Route out;
  Bounds bounds;
  in.read("name", out.name);
  in.read("types", out.types);
  in.read("senders", out.senders);
  in.read("listeners", out.listeners);
  in.sections("where", [&](ConfigSection& part) { out.where.parts.push_back(read_condition(part, bounds)); });
  in.sections("change", [&](ConfigSection& part) { out.changes.push_back(read_change(part)); });
  in.read("to", out.to);
  if (out.name.empty()) in.fault_here("a route needs a name");
  if (out.to.empty()) in.fault_here("a route needs a destination in `to`");
  if (out.changes.size() > kRouteChangesMax) in.fault_here("too many changes");
  return out;
}

CodeTable read_table(ConfigSection& in, std::string& name) {
  CodeTable out;
  std::vector<std::pair<std::string, std::string>> rows;
  std::string otherwise = "error";
  in.read("name", name);
  in.read_map("map", rows);
  in.read_one_of("otherwise", otherwise, {"error", "keep", "value"});
  in.read("value", out.value);
  out.otherwise = otherwise == "keep"    ? CodeTable::Otherwise::kKeep
                  : otherwise == "value" ? CodeTable::Otherwise::kValue
                                         : CodeTable::Otherwise::kError;
  if (name.empty()) in.fault_here("a table needs a name");
  if (rows.size() > kRouteTableRowsMax) in.fault_here("too many rows");
  for (auto& [from, to] : rows) out.rows.emplace(std::move(from), std::move(to));
  return out;
}

}  // namespace

class RouteParser {
 public:
  static Result<std::shared_ptr<const RouteSet>> run(std::string_view text, std::string_view file_name,
                                                     const std::vector<std::string>* destinations) {
    if (text.size() > kRouteTextBytesMax) return fail(Errc::kTooLarge, "rules of more than 4 MiB");
    ConfigFaults faults(file_name);
    const toml::parse_result parsed = toml::parse(text, file_name);
    if (!parsed) {
      faults.add(parsed.error().source(), "TOML", parsed.error().description());
      return fail(Errc::kRefused, faults.text());
    }
    std::shared_ptr<RouteSet> out(new RouteSet);
    out->text_ = text;
    out->version_ = crypto::hex(crypto::sha256(text));
    ConfigSection root(parsed.table(), "", faults);
    root.sections("table", [&](ConfigSection& section) {
      std::string name;
      CodeTable table = read_table(section, name);
      if (!out->tables_.emplace(name, std::move(table)).second) section.fault_here("the name is used twice");
    });
    root.sections("route", [&](ConfigSection& section) {
      out->routes_.push_back(read_route(section));
      check_references(*out, section, destinations);
    });
    root.finish();
    if (out->routes_.size() > kRoutesMax) return fail(Errc::kTooLarge, "too many routes");
    if (!faults.empty()) return fail(Errc::kRefused, faults.text());
    return out;
  }

 private:
  static void check_references(const RouteSet& set, ConfigSection& section,
                               const std::vector<std::string>* destinations) {
    const Route& route = set.routes_.back();
    for (std::size_t i = 0; i + 1 < set.routes_.size(); ++i) {
      if (set.routes_[i].name == route.name) section.fault_here("the name is used twice");
    }
    for (const RouteChange& change : route.changes) {
      if (!change.table.empty() && !set.tables_.contains(change.table)) {
        section.fault_here("no table has the name " + change.table + " (tables stand before routes)");
      }
    }
    if (destinations == nullptr) return;
    for (const std::string& name : route.to) {
      if (std::ranges::find(*destinations, name) == destinations->end())
        section.fault_here("no destination has the name " + name);
    }
  }
};

Result<std::shared_ptr<const RouteSet>> RouteSet::parse(std::string_view text, std::string_view file_name,
                                                        const std::vector<std::string>* destinations) {
  return RouteParser::run(text, file_name, destinations);
}

}  // namespace minato
