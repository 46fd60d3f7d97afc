// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The drop zones, laid out as seen from above: the subject in the middle looks down, at the front.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Side } from "./api";
import type { Picture } from "./picture_store";
import { SIDES } from "./side_from_name";
import {
  addPictures,
  isLooking,
  look,
  lookFault,
  pictureFault,
  pictures,
  remarks,
  remove,
  showsCutouts,
  swap,
  takeSample,
} from "./state";

const HINTS: Record<Side, string> = {
  front: "the face",
  left: "its own left; nose to the left edge",
  back: "the back",
  right: "its own right; nose to the right edge",
};
const DRAGGED = "text/x-fourview-side";

/** A head as the picture of a side shows it. */
export function Head({ side }: { side: Side }) {
  return (
    <svg class="head" viewBox="0 0 48 48" aria-hidden="true">
      {side === "left" && (
        <path d="M31 9c8 2 11 9 9 17-1 5-3 7-3 13H22v-5h-5c-2 0-3-1-3-3v-4l-5-1 5-8C15 12 22 7 31 9Z" />
      )}
      {side === "right" && (
        <path d="M17 9C9 11 6 18 8 26c1 5 3 7 3 13h15v-5h5c2 0 3-1 3-3v-4l5-1-5-8C33 12 26 7 17 9Z" />
      )}
      {(side === "front" || side === "back") && (
        <path d="M24 8c9 0 13 6 13 14 0 5-3 9-6 11v6H17v-6c-3-2-6-6-6-11 0-8 4-14 13-14Z" />
      )}
      {side === "front" && <path d="M19 21v2M29 21v2M24 23l-2 4h4M20 31c2 1.500 6 1.500 8 0" />}
      {side === "back" && <path d="M15 17c4 4 14 4 18 0M15 23c4 4 14 4 18 0" />}
    </svg>
  );
}

function Compass() {
  return (
    <svg
      class="compass"
      viewBox="0 0 100 100"
      role="img"
      aria-label="Seen from above: the subject looks to the front; its own left is on your right."
    >
      <circle class="ring" cx="50" cy="50" r="44" />
      <path class="ticks" d="M50 2v8M50 90v8M2 50h8M90 50h8" />
      <ellipse class="body" cx="50" cy="46" rx="30" ry="12" />
      <circle class="skull" cx="50" cy="48" r="15" />
      <path class="nose" d="M44 61h12l-6 10Z" />
      <path class="gaze" d="M50 76v12m-4-4 4 4 4-4" />
    </svg>
  );
}

function Zone({ side }: { side: Side }) {
  const picture = pictures.value[side];
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const depth = useRef(0);

  const drop = (event: DragEvent) => {
    event.preventDefault();
    event.stopPropagation();
    depth.current = 0;
    setOver(false);
    const from = event.dataTransfer?.getData(DRAGGED) as Side | "" | undefined;
    if (from) {
      if (from !== side) void swap(from, side);
      return;
    }
    void addPictures([...(event.dataTransfer?.files ?? [])], side);
  };

  return (
    <div
      draggable={Boolean(picture)}
      onDragStart={(event) => event.dataTransfer?.setData(DRAGGED, side)}
      class={`zone ${side} ${picture ? "filled" : "empty"} ${isOver ? "over" : ""}`}
      onDragEnter={(event) => (event.preventDefault(), (depth.current += 1), setOver(true))}
      onDragLeave={() => (depth.current -= 1) <= 0 && setOver(false)}
      onDragOver={(event) => event.preventDefault()}
      onDrop={drop}
    >
      <input
        ref={input}
        type="file"
        accept="image/png,image/jpeg,image/webp"
        multiple
        hidden
        data-side={side}
        onChange={(event) => {
          void addPictures([...(event.currentTarget.files ?? [])], side);
          event.currentTarget.value = "";
        }}
      />
      <button
        type="button"
        class="face"
        aria-label={picture ? `Replace the ${side} picture` : `Add the ${side} picture: ${HINTS[side]}`}
        onClick={() => input.current?.click()}
      >
        {picture ? (
          <Shown picture={picture} alt={`${side}: ${picture.name}`} />
        ) : (
          <>
            <Head side={side} />
            <span class="hint">{HINTS[side]}</span>
          </>
        )}
      </button>
      <div class="caption">
        {picture ? (
          <>
            <select
              aria-label={`Side of ${picture.name}`}
              value={side}
              onChange={(event) => void swap(side, event.currentTarget.value as Side)}
            >
              {SIDES.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
            <button
              type="button"
              class="bare"
              aria-label={`Remove the ${side} picture`}
              onClick={() => void remove(side)}
            >
              <svg viewBox="0 0 16 16" aria-hidden="true">
                <path d="m4 4 8 8m0-8-8 8" />
              </svg>
            </button>
          </>
        ) : (
          <span class="name">
            {side}
            {side === "front" && <em> needed</em>}
          </span>
        )}
      </div>
      {picture?.scaledFrom && <p class="scaled">scaled from {picture.scaledFrom}</p>}
    </div>
  );
}

/** A picture, or what is cut out of it. */
export function Shown({ picture, alt }: { picture: Picture; alt: string }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(picture.blob);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [picture.blob]);
  const source = showsCutouts.value && picture.cutout ? picture.cutout : url;
  return source ? <img class={showsCutouts.value ? "cutout" : ""} src={source} alt={alt} draggable={false} /> : null;
}

export function Views() {
  useLayoutEffect(() => {
    // at once: what falls on a page that does not listen yet takes its place
    const paste = (event: ClipboardEvent) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length) void addPictures(files);
    };
    const over = (event: DragEvent) => event.preventDefault();
    const drop = (event: DragEvent) => {
      event.preventDefault(); // beside the zones: by name
      const files = [...(event.dataTransfer?.files ?? [])];
      if (files.length) void addPictures(files);
    };
    addEventListener("paste", paste);
    addEventListener("dragover", over);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("paste", paste);
      removeEventListener("dragover", over);
      removeEventListener("drop", drop);
    };
  }, []);
  const count = Object.keys(pictures.value).length;
  return (
    <section class="views" aria-labelledby="views-title">
      <header>
        <h2 id="views-title">Pictures</h2>
        <span class="sub">{count ? `${count} of 4` : "drop, paste or click"}</span>
      </header>
      <div class="cross">
        <Compass />
        {SIDES.map((side) => (
          <Zone key={side} side={side} />
        ))}
        <p class="corner nw">
          Left and right are the <b>subject’s own</b>.
        </p>
        <p class="corner ne">
          In <b>left</b> the nose points to the picture’s left edge.
        </p>
        <div class="corner sw">
          {isLooking.value && <p role="status">looking …</p>}
          <label class="check">
            <input
              type="checkbox"
              checked={showsCutouts.value}
              onChange={(event) => {
                showsCutouts.value = event.currentTarget.checked;
                if (showsCutouts.value && !Object.values(pictures.value).every((picture) => picture.cutout))
                  void look();
              }}
            />
            Show what is cut out
          </label>
        </div>
        <div class="corner se">
          No pictures?
          <button type="button" class="link" onClick={() => void takeSample("robot", "png")}>
            Take the robot
          </button>
          <button type="button" class="link" onClick={() => void takeSample("robot_photo", "jpg")}>
            or its photos
          </button>
        </div>
      </div>
      {[pictureFault.value, lookFault.value].map(
        (words) =>
          words && (
            <p class="note bad" role="alert" key={words}>
              {words}
            </p>
          ),
      )}
      {remarks.value.map((remark) => (
        <p class="note warn" role="status" key={remark.code + remark.field}>
          {remark.message}
          {remark.code === "views_probably_swapped" && ["left", "right"].includes(remark.field ?? "") && (
            <button type="button" onClick={() => void swap("left", "right")}>
              Swap left and right
            </button>
          )}
        </p>
      ))}
    </section>
  );
}
