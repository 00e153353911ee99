#include "flow/effect_guard.h"

namespace minato {
namespace {

constexpr auto kReadWait = std::chrono::seconds(10);

}  // namespace

Result<EffectGuard::Before> EffectGuard::ask(std::string_view key) const {
  auto reader = derived_.reader(std::chrono::steady_clock::now() + kReadWait);
  if (!reader) return std::unexpected(reader.error());
  MN_TRY(effect, EffectLedger(reader->database()).find(key));
  if (!effect) return Before::kNothing;
  switch (effect->state) {
    case EffectState::kDone:
      return Before::kDone;
    case EffectState::kIntended:
      return Before::kUncertain;
    // Parked as uncertain before: that it runs again is a person's decision.
    case EffectState::kUncertain:
    case EffectState::kFailed:
      break;
  }
  return Before::kNothing;
}

Status EffectGuard::intend(const Leased& leased, const std::vector<Effect>& effects) {
  std::vector<Record> records;
  for (const Effect& effect : effects) {
    const IntentMeta meta{leased.item.id, effect.origin, effect};
    records.push_back(Record{RecordKind::kEffectIntent, clock_.now(), to_json(meta), {}});
  }
  MN_TRY(seq, journal_.append(std::move(records), leased.fences));
  static_cast<void>(seq);
  return {};
}

}  // namespace minato
