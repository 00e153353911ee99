#include "app/hospital.h"

#include <array>
#include <cstdio>

#include "format/hl7/build.h"

namespace minato {
namespace {

using charset::Encoding;

struct Name {
  std::string_view family, given, family_kana, given_kana, family_en, given_en;
};

// 山本, 京, 糖 and 骨 hold delimiter bytes in ISO-2022-JP, 表 and 能 a backslash in Shift_JIS: they are here on
// purpose.
constexpr std::array<Name, 12> kNames = {{
    {"山本", "京子", "ヤマモト", "キョウコ", "YAMAMOTO", "KYOKO"},
    {"宮本", "折江", "ミヤモト", "オリエ", "MIYAMOTO", "ORIE"},
    {"能登", "表", "ノト", "ヒョウ", "NOTO", "HYO"},
    {"佐藤", "健一", "サトウ", "ケンイチ", "SATO", "KENICHI"},
    {"東", "京介", "ヒガシ", "キョウスケ", "HIGASHI", "KYOSUKE"},
    {"本田", "糖子", "ホンダ", "トウコ", "HONDA", "TOKO"},
    {"鈴木", "一郎太", "スズキ", "イチロウタ", "SUZUKI", "ICHIROTA"},
    {"高橋", "美咲", "タカハシ", "ミサキ", "TAKAHASHI", "MISAKI"},
    {"渡邉", "昭", "ワタナベ", "アキラ", "WATANABE", "AKIRA"},
    {"小林", "花", "コバヤシ", "ハナ", "KOBAYASHI", "HANA"},
    {"加藤", "翔", "カトウ", "ショウ", "KATO", "SHO"},
    {"吉田", "さくら", "ヨシダ", "サクラ", "YOSHIDA", "SAKURA"},
}};

constexpr std::array<std::string_view, 4> kNotes = {
    "糖尿病で通院中。大腿骨骨折のため入院。疼痛あり、発熱なし。",
    "Known type 2 diabetes and atrial fibrillation. Denies chest pain. Takes metformin 500 mg twice daily.",
    "高血圧症、気管支喘息の既往。本日は呼吸困難を訴える。",
    "Admitted with community acquired pneumonia and dyspnea. History of hypertension; lisinopril 10 mg daily.",
};

struct Patient {
  std::string id;
  const Name* name = nullptr;
  std::string birth_date, sex, ward, room;
  const HospitalProvider* attending = nullptr;
};

class Morning {
 public:
  explicit Morning(const HospitalOptions& options)
      : options_(options), state_(options.seed * 2 + 1), now_(options.begin) {}

  Result<std::vector<HospitalMessage>> play();

 private:
  std::uint64_t roll(std::uint64_t below) {  // SplitMix64: the same everywhere
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (z ^ (z >> 31)) % below;
  }
  std::string dtm() { return to_hl7_dtm(now_, options_.utc_offset_minutes); }
  std::string next_id(std::string_view system) {
    char digits[16];
    std::snprintf(digits, sizeof digits, "%06llu", static_cast<unsigned long long>(++sent_));
    return std::string(system) + to_hl7_dtm(now_, options_.utc_offset_minutes).substr(0, 8) + digits;
  }

  Patient make_patient(std::uint32_t number);
  hl7::MessageBuilder start(std::string_view system, Encoding encoding, std::string_view type, std::string_view event);
  void pid(hl7::MessageBuilder& out, const Patient& patient);
  void pv1(hl7::MessageBuilder& out, const Patient& patient, std::string_view location);
  Status adt(const Patient& patient, std::string_view event, std::string_view what);
  Status order(const Patient& patient);
  Status result(const Patient& patient, std::string_view system);
  Status merge(const Patient& survivor, const Patient& gone);
  Status mistakes(const Patient& known);
  Status send(hl7::MessageBuilder& builder, std::string_view system, std::string_view what);
  HospitalMessage& last() { return out_.back(); }

  HospitalOptions options_;
  std::uint64_t state_;
  Time now_;
  std::uint64_t sent_ = 0;
  std::string control_id_;
  std::vector<HospitalMessage> out_;
};

Patient Morning::make_patient(std::uint32_t number) {
  Patient out;
  char id[16];
  std::snprintf(id, sizeof id, "%07u", 1000000u + number);
  out.id = id;
  out.name = &kNames[roll(kNames.size())];
  char date[16];
  std::snprintf(date, sizeof date, "%04u%02u%02u", static_cast<unsigned>(1930 + roll(80)),
                static_cast<unsigned>(1 + roll(12)), static_cast<unsigned>(1 + roll(28)));
  out.birth_date = date;
  out.sex = roll(2) == 0 ? "F" : "M";
  out.ward = std::to_string(2 + roll(5)) + "W";
  out.room = std::to_string(200 + roll(90));
  out.attending = &hospital_providers()[roll(hospital_providers().size())];
  return out;
}

hl7::MessageBuilder Morning::start(std::string_view system, Encoding encoding, std::string_view type,
                                   std::string_view event) {
  now_ += std::chrono::seconds(5 + roll(40));
  control_id_ = next_id(system);
  hl7::MessageBuilder out({.delimiters = {}, .encoding = encoding});
  out.segment("MSH").field(3, system).field(4, "MINATO-HP").field(5, "MINATO").field(6, "MINATO-HP").field(7, dtm());
  out.components(9, {type, event}).field(10, control_id_).field(11, "P").field(12, "2.5");
  if (type == "ADT") out.segment("EVN").field(1, event).field(2, dtm());
  return out;
}

void Morning::pid(hl7::MessageBuilder& out, const Patient& patient) {
  const Name& name = *patient.name;
  out.segment("PID").field(1, "1").components(3, {patient.id, "", "", "MINATO-HP", "PI"});
  out.components(5, {name.family, name.given, "", "", "", "", "L", "I"});
  out.repeat({name.family_kana, name.given_kana, "", "", "", "", "L", "P"});
  out.repeat({name.family_en, name.given_en, "", "", "", "", "L", "A"});
  out.field(7, patient.birth_date).field(8, patient.sex);
}

void Morning::pv1(hl7::MessageBuilder& out, const Patient& patient, std::string_view location) {
  const HospitalProvider& doctor = *patient.attending;
  out.segment("PV1").field(1, "1").field(2, "I").components(3, {location, patient.room, "1"});
  const std::size_t blank = doctor.name_ja.find(' ');
  out.components(7, {doctor.id, doctor.name_ja.substr(0, blank), doctor.name_ja.substr(blank + 1), "", "", "", "", "",
                     "MINATO-HP"});
  out.field(19, "V" + patient.id).field(44, dtm());
}

Status Morning::send(hl7::MessageBuilder& builder, std::string_view system, std::string_view what) {
  MN_TRY(bytes, builder.build());
  HospitalMessage message;
  message.system = system;
  message.what = what;
  message.control_id = control_id_;
  message.bytes = std::move(bytes);
  out_.push_back(std::move(message));
  return {};
}

Status Morning::adt(const Patient& patient, std::string_view event, std::string_view what) {
  hl7::MessageBuilder out = start("HIS", Encoding::kIso2022Jp, "ADT", event);
  pid(out, patient);
  pv1(out, patient, event == "A02" ? "ICU" : patient.ward);
  if (event == "A01") {
    out.segment("OBX").field(1, "1").field(2, "TX").components(3, {"11506-3", "Progress note", "LN"});
    out.field(5, kNotes[roll(2) * 2]).field(11, "F");
  }
  MN_CHECK(send(out, "HIS", what));
  last().expect_mail = event == "A01" || event == "A02" || event == "A03";
  return {};
}

Status Morning::order(const Patient& patient) {
  hl7::MessageBuilder out = start("RIS", Encoding::kShiftJis, "ORM", "O01");
  pid(out, patient);
  out.segment("ORC").field(1, "NW").field(2, "RIS" + patient.id);
  out.segment("OBR").field(1, "1").field(2, "RIS" + patient.id).components(4, {"CHEST", "胸部単純撮影", "99RIS"});
  return send(out, "RIS", "imaging order");
}

Status Morning::result(const Patient& patient, std::string_view system) {
  const bool abnormal = roll(4) == 0;
  hl7::MessageBuilder out = start(system, Encoding::kUtf8, "ORU", "R01");
  pid(out, patient);
  pv1(out, patient, patient.ward);
  out.segment("OBR")
      .field(1, "1")
      .field(3, "L" + control_id_)
      .components(4, {"3D045", "血液検査", "JC10"})
      .field(25, "F");
  out.segment("OBX").field(1, "1").field(2, "NM").components(3, {"2345-7", "グルコース", "LN"});
  out.field(5, abnormal ? "412" : "98")
      .field(6, "mg/dL")
      .field(7, "73-109")
      .field(8, abnormal ? "HH" : "N")
      .field(11, "F");
  out.segment("NTE").field(1, "1").field(3, kNotes[1 + roll(2) * 2]);
  MN_CHECK(send(out, system, abnormal ? "abnormal result" : "result"));
  last().expect_mail = abnormal;
  return {};
}

Status Morning::merge(const Patient& survivor, const Patient& gone) {
  hl7::MessageBuilder out = start("HIS", Encoding::kIso2022Jp, "ADT", "A40");
  pid(out, survivor);
  out.segment("MRG").components(1, {gone.id, "", "", "MINATO-HP", "PI"});
  return send(out, "HIS", "merge of two records");
}

// What goes wrong on a real morning, and one attack.
Status Morning::mistakes(const Patient& known) {
  out_.push_back(last());  // the link broke before the answer came: the very same bytes again
  last().what = "exact resend";
  last().same_as_before = true;
  last().expect_mail = false;

  hl7::MessageBuilder forged = start("LAB", Encoding::kUtf8, "ORU", "R01");
  pid(forged, known);
  forged.segment("PD1").components(4, {"collector@evil.example", "森", "遥"});
  pv1(forged, known, known.ward);
  forged.segment("OBX")
      .field(1, "1")
      .field(2, "NM")
      .components(3, {"2345-7", "グルコース", "LN"})
      .field(5, "500")
      .field(8, "HH");
  MN_CHECK(send(forged, "LAB", "mail address that is not the registry's"));
  last().expected_dead_letter = "address-mismatch";

  Patient stranger = make_patient(900'000);
  MN_CHECK(result(stranger, "LAB"));
  last().what = "result of an unknown patient";
  last().expected_dead_letter = "patient-unknown";
  last().expect_mail = false;

  hl7::MessageBuilder unknown_type = start("LAB", Encoding::kUtf8, "ZZZ", "Z99");
  MN_CHECK(send(unknown_type, "LAB", "unsupported type"));
  last().expected_ack = "AR";

  hl7::MessageBuilder nameless = start("LAB", Encoding::kUtf8, "ORU", "R01");
  nameless.field(10, "");
  MN_CHECK(send(nameless, "LAB", "no control id"));
  last().control_id.clear();
  last().expected_ack = "AE";
  return {};
}

Result<std::vector<HospitalMessage>> Morning::play() {
  std::vector<Patient> patients;
  for (std::uint32_t i = 0; i < options_.patients; ++i) patients.push_back(make_patient(i));
  for (const Patient& patient : patients) {
    MN_CHECK(adt(patient, "A01", "admission"));
    MN_CHECK(order(patient));
    MN_CHECK(result(patient, "LAB"));
  }
  for (const Patient& patient : patients) {
    if (roll(3) == 0) MN_CHECK(adt(patient, "A02", "transfer"));
    if (roll(2) == 0) MN_CHECK(result(patient, "LAB"));
    if (roll(4) == 0) MN_CHECK(adt(patient, "A03", "discharge"));
  }
  if (patients.size() >= 2) MN_CHECK(merge(patients[0], patients[1]));
  if (!patients.empty()) MN_CHECK(mistakes(patients[0]));
  return std::move(out_);
}

}  // namespace

const std::vector<HospitalProvider>& hospital_providers() {
  static const std::vector<HospitalProvider> providers = {
      {"D001", "Haruka Mori", "森 遥", "mori@clinic.example", "ja", true},
      {"D002", "Ken Ishida", "石田 健", "ishida@clinic.example", "ja", false},
      {"D003", "Mary Jones", "ジョーンズ メアリー", "jones@clinic.example", "en", true},
      {"D004", "Takashi Ono", "小野 隆", "ono@clinic.example", "ja", false},
  };
  return providers;
}

Result<std::vector<HospitalMessage>> hospital_morning(const HospitalOptions& options) {
  return Morning(options).play();
}

}  // namespace minato
