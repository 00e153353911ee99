// A synthetic hospital's morning: admissions, orders, results, transfers, discharges and one merge, from three systems
// that speak three character sets, with the mistakes and one forgery that every real morning has. All names are
// invented. The same seed gives the same bytes, so what must come out of them is known in advance.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace minato {

struct HospitalOptions {
  std::uint64_t seed = 1;
  std::uint32_t patients = 40;
  Time begin{};  // 08:30 of the morning that is played
  int utc_offset_minutes = 540;
};

struct HospitalMessage {
  std::string system;      // HIS | LAB | RIS: each has its own link
  std::string what;        // for a person: "admission", "injected mail address" …
  std::string control_id;  // empty when the message has none, on purpose
  std::string bytes;
  std::string expected_ack = "AA";
  bool same_as_before = false;       // an exact resend: the same answer, no second effect
  std::string expected_dead_letter;  // reason word; empty: none
  bool expect_mail = false;
};

struct HospitalProvider {
  std::string id, name_en, name_ja, mail, language;
  bool full_detail = false;
};

// The providers that the messages name; the registry must know them before.
const std::vector<HospitalProvider>& hospital_providers();

Result<std::vector<HospitalMessage>> hospital_morning(const HospitalOptions& options);

}  // namespace minato
