// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// A picture larger than the service uses is scaled down before it is sent: that of a phone has ten times the bytes.

import type { Picture } from "./picture_store";

const LONG_SIDE_PX = 2048; // to which the service reduces larger pictures
const SIDE_MIN_PX = 16; // that it takes
const JPEG_QUALITY = 0.92;

/** The picture of a file, no larger than is used; the browser decodes and scales it in threads of its own. Throws where it is no picture. */
export async function fitted(file: File): Promise<Picture> {
  const whole = await createImageBitmap(file); // upright, whatever its EXIF says
  const { width, height } = whole;
  try {
    const scale = LONG_SIDE_PX / Math.max(width, height);
    if (scale >= 1) return { name: file.name, blob: file };
    return { name: file.name, blob: await scaled(whole, scale), scaledFrom: `${width} × ${height}` };
  } catch {
    return { name: file.name, blob: file }; // the browser has no memory for it, the service may have
  } finally {
    whole.close();
  }
}

async function scaled(whole: ImageBitmap, scale: number): Promise<Blob> {
  const [width, height] = [whole.width, whole.height].map((side) =>
    Math.max(SIDE_MIN_PX, Math.round(side * scale)),
  ) as [number, number];
  const small = await createImageBitmap(whole, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) throw new Error("no canvas");
  context.drawImage(small, 0, 0);
  small.close();
  const hasAlpha = isClearSomewhere(context.getImageData(0, 0, width, height).data);
  return await canvas.convertToBlob(hasAlpha ? { type: "image/png" } : { type: "image/jpeg", quality: JPEG_QUALITY });
}

function isClearSomewhere(rgba: Uint8ClampedArray): boolean {
  for (let at = 3; at < rgba.length; at += 4) if (rgba[at] !== 255) return true;
  return false;
}
