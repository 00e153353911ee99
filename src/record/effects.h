// The ledger of effects: what left the house, to whom, and when. An effect is known by its key, which is stable over
// retries and redrives; once it is done it is never done again.
//
//   worker:    intent (journal) → the effect → outcome (journal)
//   follower:  EffectWriter(writer).intend(effect, seq, time);  …  .settle(key, EffectState::kDone, …)
//   worker, on a redelivery, after derived->wait_for(journal end):
//     MN_TRY(earlier, EffectLedger(reader.database()).find(key));
//     if (earlier && earlier->state == EffectState::kDone) skip;
//     if (earlier && earlier->state == EffectState::kIntended) …it may have happened: park as uncertain, or resend…
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "record/identity.h"
#include "store/index/projection.h"

namespace minato {

class Sqlite;

enum class EffectKind : std::uint8_t { kMail, kForward, kWebhook, kFile };
enum class EffectState : std::uint8_t {
  kIntended,   // an intent without an outcome: it may have happened
  kDone,       // handed over
  kFailed,     // surely did not happen (refused, or given up); a redrive may try again
  kUncertain,  // parked: nobody knows, a person decides
};
std::string_view name(EffectKind kind);
std::string_view name(EffectState state);
std::optional<EffectKind> effect_kind_named(std::string_view name);
std::optional<EffectState> effect_state_named(std::string_view name);

struct Effect {
  std::string key = {};
  EffectKind kind = EffectKind::kMail;
  Seq origin = {};               // the message that it is about
  std::string destination = {};  // a destination's name, or the mail address
  ProviderId provider = {};      // 0: none
  PatientId patient = {};        // 0: none
  std::string event = {};        // "admission" …
  EffectState state = EffectState::kIntended;
  std::string detail = {};  // an answer's code, a Message-ID; no patient data
  std::optional<Seq> intent_seq = {}, outcome_seq = {};
  std::optional<Time> intent_time = {}, outcome_time = {};
};

// JSON object `effect` in the meta of kEffectIntent and kOutcome records (docs/formats/registry.md), and back.
std::string effect_json(const Effect& effect);
Result<Effect> parse_effect_json(std::string_view json);

class EffectWriter {
 public:
  static ProjectionSchema schema();
  explicit EffectWriter(Sqlite& writer) : db_(writer) {}
  // The intent is on record. An effect that is done stays done; any other becomes kIntended again.
  Status intend(const Effect& effect, Seq seq, Time time);
  // The outcome is on record; without an intent (effects whose receiver recognises repetition need none) this makes the
  // row. kDone is final. `effect.state` and `effect.detail` say which.
  Status settle(const Effect& effect, Seq seq, Time time);

 private:
  Sqlite& db_;
};

struct EffectFilter {
  std::optional<Seq> origin = {};
  std::optional<ProviderId> provider = {};
  std::optional<PatientId> patient = {};  // exactly this one; ask for those merged into it too
  std::optional<EffectKind> kind = {};
  std::optional<EffectState> state = {};
  std::optional<Time> from = {}, to = {};  // of the last change, in [from, to)
};

struct EffectPage {
  std::vector<Effect> rows = {};  // newest first
  std::optional<std::int64_t> next = {};
};

class EffectLedger {
 public:
  explicit EffectLedger(Sqlite& reader) : db_(reader) {}
  Result<std::optional<Effect>> find(std::string_view key);
  Result<EffectPage> query(const EffectFilter& filter, std::optional<std::int64_t> before, std::size_t limit);

 private:
  Sqlite& db_;
};

}  // namespace minato
