// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The settings: presets, then every field as the service describes it, its range and its sentence; what the run costs.

import { useState } from "preact/hooks";
import type { Recipe, Value } from "./api";
import { credits } from "./api";
import type { Field } from "./state";
import {
  engine,
  fault,
  fields,
  isIn,
  models,
  needsKey,
  pictures,
  plan,
  planFault,
  recipe,
  run,
  setParameter,
  submitting,
} from "./state";

const PRESETS: Record<string, Recipe> = {
  draft: { octree_resolution: 128, target_face_num: 5000, texture_size: 512, steps: 15 },
  standard: {},
  high: { octree_resolution: 384, target_face_num: 60000, texture_size: 2048, steps: 50 },
};
const PRESET_KNOBS = ["octree_resolution", "target_face_num", "texture_size", "steps"];
const FIRST = ["target_face_num", "octree_resolution", "texture_size", "texture", "seed"]; // shown without opening the rest
const LABELS: Record<string, string> = {
  target_face_num: "Faces",
  octree_resolution: "Detail of the shape",
  texture_size: "Texture size",
  file_type: "Format",
  num_chunks: "Points a pass",
  height_m: "Height in metres",
  guidance_scale: "Guidance",
  remove_background: "Background",
};

export function label(name: string): string {
  const words = LABELS[name] ?? name.replaceAll("_", " ");
  return words[0]?.toUpperCase() + words.slice(1);
}

function presetNow(): string | undefined {
  const now = JSON.stringify(PRESET_KNOBS.map((name) => recipe.value[name] ?? null));
  return Object.keys(PRESETS).find(
    (preset) => JSON.stringify(PRESET_KNOBS.map((name) => PRESETS[preset]?.[name] ?? null)) === now,
  );
}

function choose(preset: string): void {
  const rest = Object.entries(recipe.value).filter(([name]) => !PRESET_KNOBS.includes(name));
  recipe.value = { ...Object.fromEntries(rest), ...PRESETS[preset] };
}

export function Settings() {
  const known = engine.value?.parameters;
  const shown = fields.value.filter((field) => field.name !== "engine" && (!known || known.includes(field.name)));
  const first = FIRST.flatMap((name) => shown.filter((field) => field.name === name));
  const rest = shown.filter((field) => !FIRST.includes(field.name));
  const now = presetNow();
  return (
    <section class="settings" aria-labelledby="settings-title">
      <header>
        <h2 id="settings-title">Settings</h2>
        {Object.keys(recipe.value).length > 0 && (
          <button type="button" class="link" onClick={() => (recipe.value = {})}>
            reset
          </button>
        )}
      </header>
      <div class="segments" role="radiogroup" aria-label="Preset">
        {Object.keys(PRESETS).map((preset) => (
          <label key={preset}>
            <input type="radio" name="preset" checked={now === preset} onChange={() => choose(preset)} />
            <span>{preset}</span>
          </label>
        ))}
      </div>
      {models.value.length > 1 && (
        <fieldset class="engines">
          <legend>Engine</legend>
          {models.value.map((model) => (
            <label key={model.id} class={model.installed ? "" : "off"}>
              <input
                type="radio"
                name="engine"
                disabled={!model.installed}
                checked={engine.value?.id === model.id}
                onChange={() => setParameter("engine", model.is_default ? undefined : model.id)}
              />
              <span>
                <b>{model.id}</b>{" "}
                <small>
                  {model.installed ? `${model.licence ?? ""}` : `needs ${model.lacks ?? "to be installed"}`}
                </small>
              </span>
            </label>
          ))}
          <p class="sub">{fields.value.find((field) => field.name === "engine")?.text}</p>
        </fieldset>
      )}
      {known && !known.includes("seed") && (
        <p class="sub">
          {engine.value?.id} draws no lots and needs no seed: the same pictures and settings make the same model.
        </p>
      )}
      {first.map((field) => (
        <Control key={field.name} field={field} />
      ))}
      {rest.length > 0 && (
        <details>
          <summary>All settings</summary>
          {rest.map((field) => (
            <Control key={field.name} field={field} />
          ))}
        </details>
      )}
    </section>
  );
}

function Control({ field }: { field: Field }) {
  const id = `parameter-${field.name}`;
  const set = recipe.value[field.name];
  const value =
    set === undefined ? (field.fallback ?? (plan.value?.recipe[field.name] as Value | undefined) ?? null) : set;
  const put = (next: Value) => setParameter(field.name, next === field.fallback ? undefined : next);
  return (
    <div class={`parameter ${set === undefined ? "" : "set"}`}>
      <label for={id}>{label(field.name)}</label>
      {field.name === "seed" ? (
        <Seed id={id} value={value} put={put} />
      ) : field.choices ? (
        <select
          id={id}
          aria-describedby={`${id}-text`}
          value={String(value ?? "")}
          onChange={(event) => put(event.currentTarget.value || null)}
        >
          {field.optional && <option value="">not set</option>}
          {field.choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      ) : (
        <Numeric id={id} field={field} value={value} put={put} />
      )}
      <p id={`${id}-text`}>
        {field.text.replace(/ \(engine .*\)$/, "")}
        {field.low !== null && field.name !== "seed" && (
          <span class="range">
            {" "}
            {amount(field.low)} – {amount(field.high)}
          </span>
        )}
      </p>
    </div>
  );
}

function Numeric({ id, field, value, put }: { id: string; field: Field; value: Value; put: (next: Value) => void }) {
  const [wrong, setWrong] = useState("");
  const change = (text: string) => {
    if (text.trim() === "" && field.optional) return (setWrong(""), put(null));
    const number = Number(text);
    const isGood =
      text.trim() !== "" &&
      Number.isFinite(number) &&
      (field.type !== "integer" || Number.isInteger(number)) &&
      (field.low === null || number >= field.low) &&
      (field.high === null || number <= field.high);
    setWrong(
      isGood
        ? ""
        : `takes ${field.type === "integer" ? "a whole number" : "a number"}, ${amount(field.low)} to ${amount(field.high)}`,
    );
    if (isGood) put(number);
  };
  const low = field.low ?? 0,
    high = field.high ?? 1;
  const isLog = low > 0 && high / low > 20; // such ranges are felt in factors
  const at =
    value === null
      ? 0
      : isLog
        ? Math.log(Number(value) / low) / Math.log(high / low)
        : (Number(value) - low) / (high - low);
  const from = (share: number) => {
    const raw = isLog ? low * (high / low) ** share : low + share * (high - low);
    if (field.type !== "integer") return Number(raw.toPrecision(3));
    const step = raw >= 10000 ? 1000 : raw >= 1000 ? 100 : raw >= 64 ? 16 : 1;
    return Math.min(high, Math.max(low, Math.round(raw / step) * step));
  };
  return (
    <>
      <span class="pair">
        <input
          type="range"
          min="0"
          max="1"
          step="0.005"
          value={at}
          aria-label={`${label(field.name)}, slider`}
          aria-valuetext={String(value ?? "not set")}
          onInput={(event) => (setWrong(""), put(from(Number(event.currentTarget.value))))}
        />
        <input
          id={id}
          inputMode="decimal"
          autocomplete="off"
          value={value === null ? "" : String(value)}
          placeholder="–"
          aria-invalid={wrong !== ""}
          aria-describedby={`${id}-text`}
          onChange={(event) => change(event.currentTarget.value)}
        />
      </span>
      {wrong && (
        <p class="wrong" role="alert">
          {wrong}
        </p>
      )}
    </>
  );
}

function Seed({ id, value, put }: { id: string; value: Value; put: (next: Value) => void }) {
  const isLocked = String(value) !== "-1";
  return (
    <span class="pair">
      <input
        id={id}
        inputMode="numeric"
        autocomplete="off"
        disabled={!isLocked}
        value={isLocked ? String(value) : "new each time"}
        aria-describedby={`${id}-text`}
        onChange={(event) =>
          /^\d{1,19}$/.test(event.currentTarget.value) &&
          put(event.currentTarget.value.length > 15 ? event.currentTarget.value : Number(event.currentTarget.value))
        }
      />
      <label class="check">
        <input
          type="checkbox"
          checked={isLocked}
          onChange={(event) => put(event.currentTarget.checked ? Math.floor(Math.random() * 1e9) : -1)}
        />{" "}
        lock
      </label>
    </span>
  );
}

export function amount(value: number | null): string {
  return value === null ? "" : value.toLocaleString("en", { maximumSignificantDigits: 6 });
}

/** The button, with its price on it. */
export function Go() {
  const cost = plan.value?.cost;
  const isShort = needsKey.value && credits.value !== null && cost !== undefined && credits.value < cost;
  const lacks = !isIn.value
    ? "Sign in first."
    : !pictures.value.front
      ? "A front picture is needed; the other sides make it better."
      : isShort
        ? `This costs ${cost}, and ${credits.value} credits are left: ${credits.value ? "take a smaller preset, or " : ""}ask whoever runs the service for more.`
        : "";
  const refused = isIn.value ? [fault.value, planFault.value].find((one) => one && one.code !== "away") : null; // that is told above
  return (
    <div class="go">
      {refused && (
        <p class="note bad" role="alert">
          {refused.message}{" "}
          <a href={`/errors/${refused.code}`} target="_blank" rel="noreferrer">
            {refused.code}
          </a>
        </p>
      )}
      {lacks && (
        <p class={isShort && pictures.value.front ? "note warn" : "sub"} id="go-why">
          {lacks}
        </p>
      )}
      <button
        type="button"
        class="primary"
        aria-describedby={lacks ? "go-why" : undefined}
        disabled={Boolean(lacks) || submitting.value}
        onClick={() => void run()}
      >
        <span>{submitting.value ? "Sending …" : "Make the model"}</span>
        {cost !== undefined && <span class="price">{needsKey.value ? `${cost} credits` : "free"}</span>}
      </button>
    </div>
  );
}
