#include "flow/deliver_step.h"

#include <algorithm>
#include <condition_variable>

#include "base/json_writer.h"
#include "base/log.h"
#include "flow/follow_plan.h"
#include "format/json/json.h"

namespace minato {
namespace {

constexpr Deadline::duration kLookAgain = std::chrono::seconds(1);

struct DeliveryArgs {
  std::string route, version;
};

std::string to_json(const DeliveryArgs& args) {
  std::string out;
  JsonWriter(out).begin_object().member("route", args.route).member("version", args.version).end_object();
  return out;
}

std::optional<DeliveryArgs> parse_args(std::string_view json) {
  const auto document = json::parse(json);
  if (!document) return std::nullopt;
  DeliveryArgs out{std::string(document->root()["route"].string_or("")),
                   std::string(document->root()["version"].string_or(""))};
  if (out.route.empty() || out.version.empty()) return std::nullopt;
  return out;
}

EffectKind effect_kind(DestinationKind kind) {
  switch (kind) {
    case DestinationKind::kMllp:
      return EffectKind::kForward;
    case DestinationKind::kWebhook:
      return EffectKind::kWebhook;
    case DestinationKind::kFile:
      return EffectKind::kFile;
  }
  return EffectKind::kForward;
}

}  // namespace

Result<std::unique_ptr<CurrentRoutes>> CurrentRoutes::open(Files& files, const std::string& directory,
                                                           std::string_view initial,
                                                           std::vector<std::string> destinations) {
  std::unique_ptr<CurrentRoutes> out(new CurrentRoutes(files, directory, std::move(destinations)));
  MN_CHECK(files.make_directories(directory));
  MN_TRY(there, files.exists(directory + "/current"));
  if (!there) {
    MN_TRY(version, out->apply(initial));
    static_cast<void>(version);
    return out;
  }
  MN_TRY(version, read_file(files, directory + "/current", kKiB));
  MN_TRY(rules, out->version(version));
  out->current_ = std::move(rules);
  return out;
}

std::shared_ptr<const RouteSet> CurrentRoutes::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

Result<std::shared_ptr<const RouteSet>> CurrentRoutes::version(const std::string& version) {
  {
    const std::lock_guard lock(mutex_);
    const auto at = versions_.find(version);
    if (at != versions_.end()) return at->second;
  }
  MN_TRY(text, read_file(files_, directory_ + "/" + version + ".toml", kRouteTextBytesMax));
  MN_TRY(rules, RouteSet::parse(text, version + ".toml"));
  if (rules->version() != version)
    return fail(Errc::kCorrupt, "the rules' file does not have the bytes that its name says");
  const std::lock_guard lock(mutex_);
  versions_.emplace(version, rules);
  return rules;
}

Result<std::string> CurrentRoutes::apply(std::string_view text) {
  MN_TRY(rules, RouteSet::parse(text, "routes", &destinations_));
  MN_CHECK(write_file_atomically(files_, directory_ + "/" + rules->version() + ".toml", rules->text()));
  MN_CHECK(write_file_atomically(files_, directory_ + "/current", rules->version()));
  const std::lock_guard lock(mutex_);
  current_ = rules;
  versions_.insert_or_assign(rules->version(), rules);
  return rules->version();
}

std::string delivery_step_name(DestinationKind kind, std::string_view destination) {
  return std::string(name(effect_kind(kind))) + ":" + std::string(destination);
}

std::vector<ChildItem> routed_children(const RouteSet& rules, const hl7::Message& message, const RouteFacts& facts,
                                       const std::map<std::string, DestinationKind>& destinations) {
  std::vector<ChildItem> out;
  for (const Route* route : rules.match(message, facts)) {
    for (const std::string& destination : route->to) {
      const auto kind = destinations.find(destination);
      if (kind == destinations.end())
        continue;  // checked when the rules were applied; the configuration has lost it since
      ChildItem child;
      child.step = delivery_step_name(kind->second, destination);
      child.lanes = lanes_of(message, child.step);
      child.args = to_json(DeliveryArgs{route->name, rules.version()});
      out.push_back(std::move(child));
    }
  }
  return out;
}

Result<std::string> delivery_key(const NewItem& item) {
  const auto args = parse_args(item.args);
  const std::size_t colon = item.step.find(':');
  if (!args || colon == std::string::npos) return fail(Errc::kCorrupt, "an item that is no delivery");
  return item.step.substr(colon + 1) + ":" + std::to_string(item.origin.value) + ":" + args->route + ":" +
         args->version.substr(0, 16);
}

DeliverStep::DeliverStep(const Context& context, DestinationOptions options, std::unique_ptr<Deliverer> deliverer)
    : context_(context), options_(std::move(options)), deliverer_(std::move(deliverer)), breaker_(options_.breaker) {}

StepResult DeliverStep::run(const StepInput& input) {
  const auto args = parse_args(input.leased.item.args);
  const auto delivery = delivery_key(input.leased.item);
  if (!args || !delivery) return StepResult::park("args-unreadable");
  const std::string& key = *delivery;
  const auto before = context_.guard.ask(key);
  if (!before) return StepResult::retry("ledger: " + before.error().what);
  if (*before == EffectGuard::Before::kDone) return StepResult::skipped("delivered already");
  const auto rules = context_.routes.version(args->version);
  if (!rules) return StepResult::park("rules-missing", rules.error().what);
  const Route* route = (*rules)->find(args->route);
  if (route == nullptr) return StepResult::park("rules-missing", "the rule is not in its version");
  const auto message = hl7::Message::view(input.origin.record.body);
  if (!message) return StepResult::park("unreadable", message.error().what);
  const auto bytes = (*rules)->apply(*route, *message);
  if (!bytes) return StepResult::park("transform-failed", bytes.error().what);
  // Nothing was sent, so it is no attempt: counted ones would make dead letters of messages that were never tried.
  if (!allowed(input.stop)) return StepResult::give_back();
  const DeliveryResult result =
      deliverer_->deliver({*bytes, key, input.origin.seq, input.origin.record.time}, input.stop);
  return settle(input, key, result);
}

// A destination's threads serve nobody else, so they can wait here; the longest sleep bounds what a reset has to wait.
bool DeliverStep::allowed(const std::stop_token& stop) {
  const auto now = context_.clock.steady();
  if (breaker_.allow(now)) return true;
  const auto left =
      std::clamp<Deadline::duration>(breaker_.open_until() - now, std::chrono::milliseconds(1), kLookAgain);
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, left, [] { return false; });
  return !stop.stop_requested() && breaker_.allow(context_.clock.steady());
}

StepResult DeliverStep::settle(const StepInput& input, const std::string& key, const DeliveryResult& result) {
  if (result.state == DeliveryResult::State::kRetry) {
    if (input.stop.stop_requested()) return StepResult::give_back();
    breaker_.failed(context_.clock.steady());
    if (breaker_.state() == BreakerState::kOpen) {
      log::warning("destination.left_alone",
                   {{"destination", log::own(options_.name)}, {"error", log::own(result.detail)}});
    }
    return StepResult::retry(result.detail, result.retry_at);
  }
  breaker_.succeeded();
  if (result.state == DeliveryResult::State::kRefused) return StepResult::park("destination-refused", result.detail);
  StepResult out = StepResult::done();
  Effect effect;
  effect.key = key;
  effect.kind = effect_kind(options_.kind);
  effect.origin = input.origin.seq;
  effect.destination = options_.name;
  effect.state = EffectState::kDone;
  effect.detail = result.detail;
  out.effects.push_back(std::move(effect));
  return out;
}

}  // namespace minato
