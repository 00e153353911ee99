// The registry of providers: who may be told, where, and how. Changed only by imports and operators (journal records of
// the kinds kRegistryImport and kRegistryChange with what = "providers"), never by messages.
//
//   MN_CHECK(check_provider_csv(body));                     // before the record is appended: errors go to the person
//   …append kRegistryImport…
//   ProviderWriter(derived->writer()).apply(entry);         // follower
//
//   ProviderRegistry providers(reader.database());
//   MN_TRY(verified, providers.verify(claim));              // may this address of a message be mailed to?
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
struct Entry;

enum class Language : std::uint8_t { kJapanese, kEnglish };

// Local times of day in minutes after midnight; begin > end passes midnight, begin == end is no quiet time.
struct QuietHours {
  std::uint16_t begin_minute = 0, end_minute = 0;
  friend bool operator==(const QuietHours&, const QuietHours&) = default;
};

struct ProviderIdentifier {
  std::string system = {};  // may be empty: the site's own
  std::string value = {};
  friend auto operator<=>(const ProviderIdentifier&, const ProviderIdentifier&) = default;
};

enum class Detail : std::uint8_t { kLinkOnly, kFull };
enum class Activity : std::uint8_t { kActive, kInactive };

struct Provider {
  ProviderId id = {};     // ours
  std::string code = {};  // the site's: unique, the key of imports
  std::vector<ProviderIdentifier> identifiers = {};
  std::vector<PersonName> names = {};   // representation A, I, P
  std::vector<std::string> mails = {};  // the first one is where mail goes; all of them are accepted in messages
  Language language = Language::kJapanese;
  Detail detail = Detail::kLinkOnly;
  std::vector<std::string> events = {};  // "admission", "discharge", "transfer", "abnormal-result"; empty: all
  std::uint32_t digest_minutes = 0;
  QuietHours quiet = {};
  std::string practice_group = {};
  Activity activity = Activity::kActive;
  friend bool operator==(const Provider&, const Provider&) = default;
};

enum class ProviderMatch : std::uint8_t {
  kMatch,
  kNothingClaimed,     // neither id nor mail
  kUnknown,            // no provider has this id or this mail
  kMailDiffers,        // the provider with this id has not this mail address
  kIdentifierDiffers,  // the provider with this mail address has not this id in the id's system
  kNameDiffers,        // family name given, and none of the registry's equals it when folded
  kAmbiguous,          // several providers share the id or the mail
  kInactive,
};
std::string_view name(ProviderMatch match);

struct ProviderVerification {
  ProviderMatch match = ProviderMatch::kNothingClaimed;
  ProviderId provider = {};  // when one was found
};

// docs/formats/registry.md has the columns. All faults are in the text, "line 3: mails: not an address; line 7: …" (at
// most kRegistryCsvFaultsShown); kRefused then, and nothing is taken.
Result<std::vector<Provider>> parse_provider_csv(std::string_view csv);
std::string provider_csv(const std::vector<Provider>& providers);
// One provider as JSON object, and back (kRefused: unknown member, wrong type, missing code or name; the text names
// it).
std::string provider_json(const Provider& provider);
Result<Provider> parse_provider_json(std::string_view json);

// The writing side; keeps no state between calls.
class ProviderWriter {
 public:
  static ProjectionSchema schema();
  explicit ProviderWriter(Sqlite& writer) : db_(writer) {}
  // Applies a kRegistryImport or kRegistryChange whose `what` is "providers", passes over all others. A record that
  // cannot be applied changes nothing and is noted in the registry log; errors are those of the database only.
  Status apply(const Entry& entry);

 private:
  Sqlite& db_;
};

class ProviderRegistry {
 public:
  explicit ProviderRegistry(Sqlite& reader) : db_(reader) {}
  Result<Provider> get(ProviderId id);                                                     // kNotFound
  Result<Provider> by_code(std::string_view code);                                         // kNotFound
  Result<std::vector<Provider>> by_mail(std::string_view address);                         // ASCII case does not count
  Result<std::vector<Provider>> by_identifier(const ProviderIdentifier& identifier);       // empty system: any
  Result<std::vector<Provider>> by_name(std::string_view family, std::string_view given);  // folded; given may be empty
  // In order of code, after `after_code`.
  Result<std::vector<Provider>> list(std::string_view after_code, std::size_t limit);
  // Finds the provider that the message names and tells whether what it says is the registry's: by mail when there is
  // one, else by id. Whatever is claimed must hold; see ProviderMatch.
  Result<ProviderVerification> verify(const ProviderClaim& claim);

 private:
  Sqlite& db_;
};

}  // namespace minato
