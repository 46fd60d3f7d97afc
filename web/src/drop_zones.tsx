// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The drop zones, laid out as seen from above: the subject in the middle faces down, towards the front picture.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Warning } from "./api";
import type { Picture } from "./picture_store";
import {
  addPictures,
  addSample,
  checkPictures,
  fileError,
  isChecking,
  pictures,
  previewError,
  removePicture,
  showsCutouts,
  swapSides,
  warnings,
} from "./pictures";
import type { Side } from "./sides";
import { FRONT, isSide, SIDE_NAMES, SIDES } from "./sides";

const DRAGGED = "text/x-fourview-side"; // media type of a side that is dragged onto another

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
      aria-label="Seen from above: the subject faces the front picture; its own left is on your right."
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
  const { hint } = SIDES[side];
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const depth = useRef(0); // a drag enters and leaves every element inside

  const enter = (event: DragEvent) => {
    event.preventDefault();
    depth.current += 1;
    setOver(true);
  };
  const leave = () => {
    depth.current -= 1;
    if (depth.current <= 0) setOver(false);
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    event.stopPropagation();
    depth.current = 0;
    setOver(false);
    const from = event.dataTransfer?.getData(DRAGGED);
    if (!isSide(from)) void addPictures([...(event.dataTransfer?.files ?? [])], side);
    else if (from !== side) void swapSides(from, side);
  };

  return (
    <div
      role="group"
      aria-label={`The ${side} picture`}
      class={`zone ${side} ${picture ? "filled" : "empty"} ${isOver ? "over" : ""}`}
      draggable={Boolean(picture)}
      onDragStart={(event) => event.dataTransfer?.setData(DRAGGED, side)}
      onDragEnter={enter}
      onDragLeave={leave}
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
        aria-label={picture ? `Replace the ${side} picture` : `Add the ${side} picture: ${hint}`}
        onClick={() => input.current?.click()}
      >
        {picture ? (
          <Shown picture={picture} alt={`${side}: ${picture.name}`} />
        ) : (
          <>
            <Head side={side} />
            <span class="hint">{hint}</span>
          </>
        )}
      </button>
      <div class="caption">{picture ? <Filled side={side} picture={picture} /> : <Label side={side} />}</div>
      {picture?.scaledFrom && <p class="scaled">scaled from {picture.scaledFrom}</p>}
    </div>
  );
}

function Label({ side }: { side: Side }) {
  return (
    <span class="name">
      {side}
      {side === FRONT && <em> required</em>}
    </span>
  );
}

/** Below a picture: changes its side, removes it. */
function Filled({ side, picture }: { side: Side; picture: Picture }) {
  return (
    <>
      <select
        aria-label={`Side of ${picture.name}`}
        value={side}
        onChange={(event) => void swapSides(side, event.currentTarget.value as Side)}
      >
        {SIDE_NAMES.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      <button
        type="button"
        class="bare"
        aria-label={`Remove the ${side} picture`}
        onClick={() => void removePicture(side)}
      >
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="m4 4 8 8m0-8-8 8" />
        </svg>
      </button>
    </>
  );
}

/** A picture, or its cut-out where those are shown. */
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

export function DropZones() {
  // Before the first paint: where nothing listens, the browser leaves the page and opens a dropped file.
  useLayoutEffect(() => {
    const add = (data: DataTransfer | null) => {
      const files = [...(data?.files ?? [])];
      if (files.length) void addPictures(files);
    };
    const paste = (event: ClipboardEvent) => add(event.clipboardData);
    const over = (event: DragEvent) => event.preventDefault();
    const drop = (event: DragEvent) => {
      event.preventDefault();
      add(event.dataTransfer); // beside the zones: sides by file name
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
  const errors = [fileError.value, previewError.value].filter(Boolean);
  return (
    <section class="drop-zones" aria-labelledby="pictures-title">
      <header>
        <h2 id="pictures-title">Pictures</h2>
        <span class="sub">{count ? `${count} of ${SIDE_NAMES.length}` : "Drop, paste or click"}</span>
      </header>
      <div class="cross">
        <Compass />
        {SIDE_NAMES.map((side) => (
          <Zone key={side} side={side} />
        ))}
        <p class="corner nw">
          Left and right are the <b>subject’s own</b>.
        </p>
        <p class="corner ne">
          In the <b>left</b> picture the nose points to the left edge.
        </p>
        <div class="corner sw">
          {isChecking.value && <p role="status">Checking …</p>}
          <label class="check">
            <input type="checkbox" checked={showsCutouts.value} onChange={toggleCutouts} />
            Show cut-outs
          </label>
        </div>
        <div class="corner se">
          No pictures?
          <button type="button" class="link" onClick={() => void addSample("robot", "png")}>
            Try the robot
          </button>
          <button type="button" class="link" onClick={() => void addSample("robot_photo", "jpg")}>
            Try its photos
          </button>
        </div>
      </div>
      {errors.map((text) => (
        <p class="note bad" role="alert" key={text}>
          {text}
        </p>
      ))}
      {warnings.value.map((warning) => (
        <p class="note warn" role="status" key={warning.code + warning.field}>
          {warning.message} <SwapOffer warning={warning} />
        </p>
      ))}
    </section>
  );
}

function toggleCutouts(): void {
  showsCutouts.value = !showsCutouts.value;
  const lacksCutouts = Object.values(pictures.value).some((picture) => !picture.cutout);
  if (showsCutouts.value && lacksCutouts) void checkPictures();
}

/** Where left and right seem to be exchanged, a button that exchanges them. */
function SwapOffer({ warning }: { warning: Warning }) {
  const side = warning.field;
  if (warning.code !== "views_probably_swapped" || !isSide(side) || SIDES[side].across !== "z") return null;
  const pair = SIDE_NAMES.filter((name) => name === side || name === SIDES[side].opposite) as [Side, Side];
  return (
    <button type="button" onClick={() => void swapSides(...pair)}>
      Swap {pair.join(" and ")}
    </button>
  );
}
